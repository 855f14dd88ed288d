//! The module: loading it and getting rid of it, as an administrator does.

use std::path::Path;
use std::process::Command;

use anyhow::{ensure, Context, Result};

/// Its name.
pub const NAME: &str = "rkexec";

/// Runs modprobe.
///
/// # Errors
///
/// It cannot be run, or fails: then with what it said.
pub fn modprobe(arguments: &[&str]) -> Result<()> {
    let output = Command::new("modprobe")
        .args(arguments)
        .output()
        .context("modprobe")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "modprobe {}: {}: {}",
        arguments.join(" "),
        output.status,
        said.trim()
    );
    Ok(())
}

/// Whether it is loaded.
pub fn is_loaded() -> bool {
    Path::new("/sys/module").join(NAME).exists()
}

/// Loads it.
///
/// # Errors
///
/// modprobe fails, or does not do it.
pub fn load() -> Result<()> {
    modprobe(&[NAME])?;
    ensure!(
        is_loaded(),
        "modprobe says yes, and the module is not there"
    );
    Ok(())
}

/// Unloads it.
///
/// # Errors
///
/// modprobe fails, or does not do it.
pub fn unload() -> Result<()> {
    modprobe(&["-r", NAME])?;
    ensure!(
        !is_loaded(),
        "modprobe says yes, and the module is still there"
    );
    Ok(())
}
