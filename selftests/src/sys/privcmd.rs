//! `/dev/xen/privcmd`: hypercalls from a dom0's user space.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};

use super::bindings::xen::privcmd_hypercall;

/// `_IOC(_IOC_NONE, 'P', number, size)` (`xen/sys/privcmd.h`).
const fn ioc(number: u64, size: usize) -> u64 {
    ((size as u64) << 16) | ((b'P' as u64) << 8) | number
}

const IOCTL_HYPERCALL: u64 = ioc(0, size_of::<privcmd_hypercall>());

/// The open device.
pub struct Privcmd(File);

impl Privcmd {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// It is not there (not Xen, or `xen-privcmd` is not loaded) or not allowed.
    pub fn open() -> Result<Self> {
        let path = "/dev/xen/privcmd";
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .context(path)?;
        Ok(Self(file))
    }

    /// Makes a hypercall.
    ///
    /// # Safety
    ///
    /// The arguments that `op` takes for addresses must be those of [`super::locked::Locked`]
    /// buffers as long as the operation wants them, or null; and what the operation does must be
    /// all right for the machine.
    ///
    /// # Errors
    ///
    /// Xen's.
    pub unsafe fn call(&self, op: u32, arg: [u64; 5]) -> io::Result<u64> {
        let mut call = privcmd_hypercall { op: op.into(), arg };
        // SAFETY: `call` is the structure that this request takes; the rest is the caller's word.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), IOCTL_HYPERCALL, &raw mut call) };
        u64::try_from(result).map_err(|_| io::Error::last_os_error())
    }
}
