//! The dump that a crash kernel has written to a disk (`selftests/src/dump.rs`), and what the tools of
//! this system make of it.

use std::path::Path;
use std::process::Command;

use anyhow::{ensure, Result};
use fs_err::{self as fs, File};

use crate::command;

/// Reads the dump on `disk`, which makedumpfile has written in one go (`-F`): it has to be whole, and a
/// dump of the kernel `release`. (For what the kernel was doing crash wants its debug information, and
/// makedumpfile does not read again what it has made of a dom0: `vm kdump`.)
pub fn examine(disk: &Path, release: &str) -> Result<String> {
    let dump = disk.with_extension("dump");
    rearrange(disk, &dump)?;
    let told = run(Command::new("crash").arg("--osrelease").arg(&dump))?;
    ensure!(told.trim() == release, "crash --osrelease: {told:?}");
    let bytes = fs::metadata(&dump)?.len();
    Ok(format!("a compressed dump of {} MiB", bytes >> 20))
}

/// Makes a dump that programs can read out of one that was written in one go.
pub fn rearrange(stream: &Path, dump: &Path) -> Result<()> {
    if dump.exists() {
        fs::remove_file(dump)?;
    }
    let stream = File::open(stream)?;
    run(Command::new("makedumpfile")
        .arg("-R")
        .arg(dump)
        .stdin(stream.into_file()))?;
    Ok(())
}

pub fn run(program: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&command::run(program)?).into_owned())
}
