//! A string that is there only when the kernel comes to read it.
//!
//! Its pages are missing until then (userfaultfd(2)), so what is to happen in the middle of a system
//! call, after what the kernel does before, happens exactly then.

use std::ffi::{c_char, CStr};
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;

use anyhow::{ensure, Context, Result};
use nix::sys::mman::{mmap_anonymous, munmap, MapFlags, ProtFlags};

use super::bindings::linux::{
    uffd_msg, uffdio_api, uffdio_copy, uffdio_range, uffdio_register, UFFD_EVENT_PAGEFAULT,
};

const PAGE: usize = 4096;

/// `UFFD_API` and `UFFDIO_REGISTER_MODE_MISSING` (`linux/userfaultfd.h`), which bindgen cannot read.
const API: u64 = 0xaa;
const MODE_MISSING: u64 = 1;

/// The commands (`linux/userfaultfd.h`).
mod command {
    use super::{uffdio_api, uffdio_copy, uffdio_register};

    nix::ioctl_readwrite!(api, 0xaa, 0x3f, uffdio_api);
    nix::ioctl_readwrite!(register, 0xaa, 0x00, uffdio_register);
    nix::ioctl_readwrite!(copy, 0xaa, 0x03, uffdio_copy);
}

/// Calls `reader` with a pointer to `text`, which has a zero at its end, and with `arrives` in the
/// moment in which `reader` first looks at it. If it never does, `arrives` comes afterwards.
///
/// # Errors
///
/// The kernel does not let this process do so, or the error of `arrives`.
pub fn with_text<T>(
    text: &CStr,
    arrives: impl FnOnce() -> Result<()> + Send,
    reader: impl FnOnce(*const c_char) -> T,
) -> Result<T> {
    let mut pages = text.to_bytes_with_nul().to_vec();
    pages.resize(pages.len().next_multiple_of(PAGE), 0);
    let len = NonZeroUsize::new(pages.len()).context("no page")?;
    let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let flags = MapFlags::MAP_PRIVATE;
    // SAFETY: A new mapping, at an address of the kernel's choice.
    let place = unsafe { mmap_anonymous(None, len, prot, flags) }.context("mmap")?;
    let start = place.as_ptr() as u64;
    let faults = watch(start, pages.len() as u64)?;
    let result = thread::scope(|scope| {
        let pages = &pages;
        let server = scope.spawn(move || serve(faults, start, pages, arrives));
        let result = reader(place.as_ptr().cast_const().cast());
        // SAFETY: The mapping is there, and filled now at the latest: the server ends by this.
        unsafe { place.cast::<u8>().read_volatile() };
        let served = server.join().map_err(|_| anyhow::anyhow!("panic"));
        served.and_then(|served| served).map(|()| result)
    });
    // SAFETY: The mapping was made here, and nobody has a reference to it.
    unsafe { munmap(place, pages.len()) }.context("munmap")?;
    result
}

/// Has the kernel tell of accesses to missing pages.
fn watch(start: u64, len: u64) -> Result<File> {
    // SAFETY: The call takes no memory of this process.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
    ensure!(fd >= 0, "userfaultfd: {}", io::Error::last_os_error());
    // SAFETY: The kernel has just opened it for this process.
    let fd = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd)?) };
    let mut version = uffdio_api {
        api: API,
        ..Default::default()
    };
    let mut pages = uffdio_register {
        range: uffdio_range { start, len },
        mode: MODE_MISSING,
        ..Default::default()
    };
    // SAFETY: The structures are the commands'.
    unsafe {
        command::api(fd.as_raw_fd(), &raw mut version).context("UFFDIO_API")?;
        command::register(fd.as_raw_fd(), &raw mut pages).context("UFFDIO_REGISTER")?;
    }
    Ok(File::from(fd))
}

/// Waits for the first access, calls `arrives`, and fills the pages whatever that says.
fn serve(
    mut faults: File,
    start: u64,
    pages: &[u8],
    arrives: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let mut message = [0; size_of::<uffd_msg>()];
    faults.read_exact(&mut message).context("a page fault")?;
    ensure!(
        u32::from(message[0]) == UFFD_EVENT_PAGEFAULT,
        "something else than a page fault: {message:x?}"
    );
    let arrived = arrives();
    let mut fill = uffdio_copy {
        dst: start,
        src: pages.as_ptr() as u64,
        len: pages.len() as u64,
        ..Default::default()
    };
    // SAFETY: The structure is the command's; the kernel reads as many bytes as there are, and writes
    // to the pages that wait for them.
    unsafe { command::copy(faults.as_raw_fd(), &raw mut fill) }.context("UFFDIO_COPY")?;
    arrived
}
