//! The module: loading it and getting rid of it, as an administrator does.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{ensure, Context, Result};
use nix::kmod::{finit_module, ModuleInitFlags};

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

/// Loads the file at `path` without modprobe.
///
/// # Errors
///
/// It cannot be opened, or the kernel's.
pub fn insert(path: &str) -> Result<()> {
    let file = File::open(path).with_context(|| path.to_owned())?;
    finit_module(file, c"", ModuleInitFlags::empty()).context("finit_module")
}

/// Whether it is loaded.
pub fn is_loaded() -> bool {
    Path::new("/sys/module").join(NAME).exists()
}

/// What it says that the loaded images will find mapped.
pub const MAP: &str = "/sys/kernel/debug/rkexec/identity_map";

/// Checks that it has made the page tables of the loaded image `kind` (default or crash). They tell
/// by the video memory: the kernel's own map it like any other.
///
/// # Errors
///
/// It has not.
pub fn expect_map(kind: &str) -> Result<()> {
    const VIDEO: &str = "00000000000a0000 00000000000fffff 4K UC";
    let maps = std::fs::read_to_string(MAP).context(MAP)?;
    let name = format!("# {kind} image:");
    let mut lines = maps.lines().skip_while(|line| !line.starts_with(&name));
    ensure!(lines.next().is_some(), "{MAP} has no {kind} image");
    let ours = lines
        .take_while(|line| !line.ends_with("levels"))
        .any(|line| line == VIDEO);
    ensure!(ours, "the {kind} image has other page tables:\n{maps}");
    Ok(())
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
