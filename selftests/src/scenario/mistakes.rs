//! Mistakes on purpose, by the kernel's own modules for that and one of ours (`scripts/debug-kernel/mistakes`): a debug
//! kernel has to report each.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use super::prelude::*;

/// Where lkdtm takes the name of a mistake.
const PROVOKE: &str = "/sys/kernel/debug/provoke-crash/DIRECT";
const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";

/// Those that the kernel survives.
const PROVOKED: [&str; 4] = [
    "WARNING",
    "ARRAY_BOUNDS",
    "SLAB_FREE_DOUBLE",
    "WRITE_AFTER_FREE",
];

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    // First: behind some of the others lockdep looks no more.
    stage.test("mistakes of locking", |_| module::modprobe(&["mistakes"]));
    stage.test("modprobe lkdtm", |_| module::modprobe(&["lkdtm"]));
    for name in PROVOKED {
        stage.test(name, |_| fs::write(PROVOKE, name).context(PROVOKE));
    }
    stage.test("memory is lost, and kmemleak finds it", |report| {
        module::modprobe(&["kmemleak-test"])?;
        module::modprobe(&["-r", "kmemleak-test"])?;
        sleep(Duration::from_secs(6));
        for _ in 0..2 {
            fs::write(KMEMLEAK, "scan").context(KMEMLEAK)?;
        }
        let leaks = fs::read_to_string(KMEMLEAK).context(KMEMLEAK)?;
        let count = leaks.matches("unreferenced object").count();
        report.note(&format!("{count} leaks"));
        ensure!(count > 0, "it has found none");
        fs::write(KMEMLEAK, "clear").context(KMEMLEAK)
    });
    Ok(Next::PowerOff)
}
