//! Memory that keeps whoever reads it waiting, also the kernel: userfaultfd(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use memmap2::MmapMut;
use nix::ioctl_readwrite_bad;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};

use super::bindings::linux;

const PAGE: usize = 4096;

ioctl_readwrite_bad!(say_api, linux::ioctl_uffdio_api, linux::uffdio_api);
ioctl_readwrite_bad!(
    register,
    linux::ioctl_uffdio_register,
    linux::uffdio_register
);
ioctl_readwrite_bad!(fill, linux::ioctl_uffdio_copy, linux::uffdio_copy);

/// A page that nobody can read until it is released.
pub struct StalledPage {
    page: MmapMut,
    faults: OwnedFd,
}

impl StalledPage {
    pub fn new() -> Result<Self> {
        let page = MmapMut::map_anon(PAGE)?;
        // One that blocks cannot be polled: poll(2) says POLLERR at once.
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: The call takes no memory; what it returns is a descriptor of ours, or -1.
        let faults = unsafe {
            let faults = libc::syscall(libc::SYS_userfaultfd, flags);
            ensure!(faults >= 0, io::Error::last_os_error());
            OwnedFd::from_raw_fd(faults as i32)
        };
        let page = Self { page, faults };
        let mut api = linux::uffdio_api {
            api: linux::uffd_api,
            ..Default::default()
        };
        // SAFETY: The descriptor is open; the kernel reads and fills the structure.
        unsafe { say_api(page.faults.as_raw_fd(), &mut api) }.context("UFFDIO_API")?;
        let mut wanted = linux::uffdio_register {
            range: linux::uffdio_range {
                start: page.page.as_ptr() as u64,
                len: PAGE as u64,
            },
            mode: linux::uffd_register_missing,
            ..Default::default()
        };
        // SAFETY: As above, and the range is the page's.
        unsafe { register(page.faults.as_raw_fd(), &mut wanted) }.context("UFFDIO_REGISTER")?;
        Ok(page)
    }

    /// The page, for the kernel: this program would wait for itself.
    pub fn bytes(&self) -> &[u8] {
        &self.page
    }

    /// Its first word, likewise.
    pub fn word(&self) -> &[u64] {
        // SAFETY: The page is larger, and aligned to more.
        unsafe { std::slice::from_raw_parts(self.page.as_ptr().cast(), 1) }
    }

    pub fn wait_for_reader(&self, patience: Duration) -> Result<()> {
        let mut wanted = [PollFd::new(self.faults.as_fd(), PollFlags::POLLIN)];
        poll(&mut wanted, PollTimeout::try_from(patience)?)?;
        let reads = wanted[0].revents() == Some(PollFlags::POLLIN);
        ensure!(reads, "nobody reads the page");
        Ok(())
    }

    /// Lets everybody read it: zeros.
    pub fn release(&self) -> Result<()> {
        self.release_with(&[])
    }

    /// Lets everybody read it: `bytes`, and zeros behind them.
    pub fn release_with(&self, bytes: &[u8]) -> Result<()> {
        let mut page = [0; PAGE];
        page.get_mut(..bytes.len())
            .context("more than a page")?
            .copy_from_slice(bytes);
        let mut copy = linux::uffdio_copy {
            dst: self.page.as_ptr() as u64,
            src: page.as_ptr() as u64,
            len: PAGE as u64,
            ..Default::default()
        };
        // SAFETY: As above, from a page to a page.
        unsafe { fill(self.faults.as_raw_fd(), &mut copy) }?;
        Ok(())
    }
}
