//! A kernel with a crash image that panics in the midst of something, when it may be caught halfway.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rkexec_protocol::choice::{Amid, Trigger};

use super::prelude::*;
use super::stalled_load::StalledLoad;
use crate::sys::schedule;
use crate::{files, trigger};

/// What begins takes no longer to begin.
const PATIENCE: Duration = Duration::from_secs(30);
/// 1 while some tasks use the module's functions and others the kernel's own.
const TRANSITION: &str = "/sys/kernel/livepatch/rkexec/transition";
/// Has the kernel say which devices it shuts down, which happens on the way (`device_shutdown`).
const SAY_MORE: &str = "/sys/module/kernel/parameters/initcall_debug";
const SHUTDOWN: &str = ": shutdown";
/// The processor on which that goes slowly, and the one on which the kernel panics.
const SLOW: usize = 0;
const OTHER: usize = 1;

/// Panics in the midst of it; comes back if that fails.
pub fn crash(amid: Amid) -> Result<()> {
    match amid {
        Amid::CrashLoad => {
            let areas = super::crash::areas()?;
            let (start, _) = areas.first().context("there is no crash area")?;
            let _load = StalledLoad::begin(*start, kexec::ARCH_X86_64 | kexec::ON_CRASH)?;
            trigger::pull(Trigger::Sysrq)
        }
        Amid::Load => {
            let _load = StalledLoad::begin(PLACE, kexec::ARCH_X86_64)?;
            trigger::pull(Trigger::Sysrq)
        }
        Amid::Leaving => {
            let mut modprobe = Command::new("modprobe")
                .args(["-r", module::NAME])
                .spawn()?;
            wait_until(|| Ok(files::read(TRANSITION)? == "1"))?;
            trigger::pull(Trigger::Sysrq)?;
            modprobe.wait()?;
            Ok(())
        }
        Amid::Exec => exec(),
    }
}

/// Sets out for the default image on a processor that another thread wants for itself, and panics on the other one.
fn exec() -> Result<()> {
    std::fs::write(SAY_MORE, "1").context(SAY_MORE)?;
    let mut log = KernelLog::from_now_on()?;
    let crash = thread::spawn(move || -> Result<()> {
        schedule::keep_to(OTHER)?;
        wait_until(|| log.says(SHUTDOWN))?;
        trigger::pull(Trigger::Sysrq)
    });
    thread::spawn(|| {
        let kept = schedule::keep_to(SLOW);
        while kept.is_ok() {
            std::hint::spin_loop();
        }
    });
    schedule::keep_to(SLOW)?;
    schedule::give_way()?;
    let error = kexec::exec();
    crash.join().map_err(|_| anyhow!("panic"))??;
    Err(error).context("reboot(KEXEC)")
}

fn wait_until(mut it_is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !it_is_so()? {
        ensure!(started.elapsed() < PATIENCE, "it does not begin");
    }
    Ok(())
}
