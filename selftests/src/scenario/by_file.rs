//! [`KERNEL`] and [`INITRD`] by `kexec_file_load(2)`.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use rkexec_protocol::choice::Lockdown;

use super::plan::{INITRD, KERNEL};
use crate::lockdown;
use crate::sys::{kexec, late};

/// Loads them.
pub fn load(cmdline: &str, flags: u64) -> io::Result<()> {
    let (kernel, initrd) = (File::open(KERNEL)?, File::open(INITRD)?);
    let cmdline = CString::new(cmdline)?;
    kexec::file_load(kernel.as_fd(), Some(initrd.as_fd()), &cmdline, flags)
}

/// The same in a kernel that is locked down, if there is a `level`, while it works on it.
///
/// No key that such a kernel wants a next kernel to be signed with is in the test machines. So it is
/// locked down when it has accepted the next kernel and comes to read the command line.
pub fn load_at(level: Option<Lockdown>, cmdline: &str, flags: u64) -> Result<()> {
    let Some(level) = level else {
        return load(cmdline, flags).context("kexec_file_load");
    };
    let (kernel, initrd) = (File::open(KERNEL)?, File::open(INITRD)?);
    let cmdline = CString::new(cmdline)?;
    let len = cmdline.as_bytes_with_nul().len();
    let loaded = late::with_text(
        &cmdline,
        || lockdown::raise(level),
        // SAFETY: The string is there when the kernel reads it.
        |text| unsafe {
            kexec::file_load_at(kernel.as_fd(), Some(initrd.as_fd()), text, len, flags)
        },
    )?;
    loaded.context("kexec_file_load, locked down")
}
