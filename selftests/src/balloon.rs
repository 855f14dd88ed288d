//! The balloon driver: a dom0 that gives memory to Xen, and takes it back.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

use crate::files;

const DIR: &str = "/sys/devices/system/xen_memory/xen_memory0";
const PATIENCE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(50);

/// What it has now, in KiB.
pub fn size() -> Result<u64> {
    files::value(&format!("{DIR}/info/current_kb"))
}

pub fn resize(kib: u64) -> Result<()> {
    // The kernel knows of some pages that it does not give.
    const NEAR_KIB: u64 = 1024;
    until(kib, || Ok(size()?.abs_diff(kib) <= NEAR_KIB))
}

pub fn until(kib: u64, done: impl Fn() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    loop {
        // Said again, it does not wait longer each time that it gets less than it wants.
        let target = format!("{DIR}/target_kb");
        fs::write(&target, kib.to_string()).context(target)?;
        sleep(INTERVAL);
        if done()? {
            return Ok(());
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "dom0 does not get to {kib} KiB"
        );
    }
}
