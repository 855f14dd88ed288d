//! kexec-tools in a dom0 as it is: it goes past the kernel, and calls Xen itself (libxenctrl). Whether it
//! comes to Xen is another question: the module serves it, unless it is told not to.
//! [`crate::without_xen`] is for the opposite.

use std::process::Command;

use anyhow::{bail, Result};

use crate::program::{kexec_files, run, said};
use crate::sys::bindings::xen::XEN_SYSCTL_INTERFACE_VERSION;
use crate::xen::{Range, Xen};

/// Loads a kernel to somewhere in the machine memory `place`, from its start to its end, or to where
/// kexec-tools likes.
///
/// The place should be dom0's: if parts of the image are to be where Xen takes pages from for the copy
/// that it makes, Xen puts page 0 in their place, and gives up when it is to unload the image.
pub fn load(place: Option<Range>, kernel: &str, initrd: &str, cmdline: &str) -> Result<()> {
    let mut kexec = Command::new("kexec");
    kexec.arg("-l");
    if let Some(Range { start, end }) = place {
        kexec.arg(format!("--mem-min={start:#x}"));
        kexec.arg(format!("--mem-max={end:#x}"));
    }
    run(kexec.arg(kernel).args(kexec_files(initrd, cmdline))).map(drop)
}

/// Why kexec-tools cannot load a crash kernel on this Xen, if so: it asks Xen how many processors there
/// are, and its library speaks one version of the interface for that. The headers that these tests are
/// built with come with that library.
pub fn unable_for_crash(xen: &Xen) -> Result<Option<String>> {
    let (theirs, ours) = (xen.sysctl_version()?, XEN_SYSCTL_INTERFACE_VERSION);
    Ok((theirs != ours).then(|| {
        format!("a libxenctrl for this Xen: it has {ours:#x} for its sysctl, not {theirs:#x}")
    }))
}

pub fn load_crash(kernel: &str, initrd: &str, cmdline: &str) -> Result<()> {
    let mut kexec = Command::new("kexec");
    kexec.args(["-p", kernel]);
    run(kexec.args(kexec_files(initrd, cmdline))).map(drop)
}

pub fn unload() -> Result<()> {
    run(Command::new("kexec").arg("-u")).map(drop)
}

/// Whether Xen says that an image is loaded: the status that it exits with.
pub fn status() -> Result<bool> {
    // By itself --status means a crash image.
    let output = Command::new("kexec").args(["-l", "--status"]).output()?;
    match output.status.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => bail!("kexec --status: {}: {}", output.status, said(&output)),
    }
}
