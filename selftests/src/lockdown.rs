//! Lockdown (`kernel_lockdown(7)`): what a kernel that takes it seriously allows nobody, root
//! included.

use std::fs;
use std::path::Path;

use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, MsFlags};
use rkexec_protocol::choice::Lockdown;

use crate::kernel_log::KernelLog;

const FILE: &str = "/sys/kernel/security/lockdown";

fn file() -> Result<&'static Path> {
    let at = "/sys/kernel/security";
    let kind = Some("securityfs");
    match mount(kind, at, kind, MsFlags::empty(), None::<&str>) {
        Ok(()) | Err(Errno::EBUSY) => Ok(Path::new(FILE)),
        Err(error) => Err(error).context("mounting securityfs"),
    }
}

/// Locks this kernel down. There is no way back.
pub fn raise(level: Lockdown) -> Result<()> {
    fs::write(file()?, level.to_string()).context(FILE)
}

/// Checks that this kernel is locked down at this `level`, by its command line and not by the firmware.
pub fn check(level: Lockdown) -> Result<()> {
    let levels = fs::read_to_string(file()?).context(FILE)?;
    ensure!(levels.contains(&format!("[{level}]")), "{FILE}: {levels}");
    let log = KernelLog::from_the_start()?.lines()?;
    let why = log.iter().find(|line| line.contains("is locked down from"));
    let why = why.context("the log does not tell why it is locked down")?;
    ensure!(why.contains("from command line"), "{why}");
    Ok(())
}
