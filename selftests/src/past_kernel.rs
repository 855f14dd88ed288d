//! kexec-tools in a dom0 as it is meant there: it goes past the kernel, and calls Xen itself
//! (libxenctrl). [`crate::without_xen`] is for the opposite.

use std::process::{Command, Output};

use anyhow::{bail, ensure, Context, Result};

use crate::sys::bindings::xen::XEN_SYSCTL_INTERFACE_VERSION;
use crate::xen::Xen;

/// Loads a kernel to somewhere in the machine memory `place`, from its start to its end, or to where
/// kexec-tools likes.
///
/// The place should be dom0's: if parts of the image are to be where Xen takes pages from for the copy
/// that it makes, Xen puts page 0 in their place, and gives up when it is to unload the image.
///
/// # Errors
///
/// kexec-tools fails: then with what it said.
pub fn load(place: Option<(u64, u64)>, kernel: &str, initrd: &str, cmdline: &str) -> Result<()> {
    let mut arguments = vec!["-l".to_owned()];
    if let Some((start, end)) = place {
        arguments.push(format!("--mem-min={start:#x}"));
        arguments.push(format!("--mem-max={end:#x}"));
    }
    arguments.push(kernel.to_owned());
    arguments.push(format!("--initrd={initrd}"));
    arguments.push(format!("--command-line={cmdline}"));
    good(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Why kexec-tools cannot load a crash kernel on this Xen, if so: it asks Xen how many processors there
/// are, and its library speaks one version of the interface for that. The headers that these tests are
/// built with come with that library.
///
/// # Errors
///
/// Xen does not say which version it speaks.
pub fn unable_for_crash(xen: &Xen) -> Result<Option<String>> {
    let (theirs, ours) = (xen.sysctl_version()?, XEN_SYSCTL_INTERFACE_VERSION);
    Ok((theirs != ours).then(|| {
        format!("a libxenctrl for this Xen: it has {ours:#x} for its sysctl, not {theirs:#x}")
    }))
}

/// Loads a crash kernel.
///
/// # Errors
///
/// As for [`load`].
pub fn load_crash(kernel: &str, initrd: &str, cmdline: &str) -> Result<()> {
    let initrd = format!("--initrd={initrd}");
    let cmdline = format!("--command-line={cmdline}");
    good(&["-p", kernel, &initrd, &cmdline])
}

/// Unloads what Xen has.
///
/// # Errors
///
/// As for [`load`].
pub fn unload() -> Result<()> {
    good(&["-u"])
}

/// Whether Xen says that an image is loaded: the status that it exits with.
///
/// # Errors
///
/// It exits with another one.
pub fn status() -> Result<bool> {
    // By itself --status means a crash image.
    let output = run(&["-l", "--status"])?;
    match output.status.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => bail!("kexec --status: {}: {}", output.status, said(&output)),
    }
}

fn good(arguments: &[&str]) -> Result<()> {
    let output = run(arguments)?;
    ensure!(
        output.status.success(),
        "kexec {}: {}: {}",
        arguments.join(" "),
        output.status,
        said(&output)
    );
    Ok(())
}

fn run(arguments: &[&str]) -> Result<Output> {
    Command::new("kexec")
        .args(arguments)
        .output()
        .context("kexec")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
