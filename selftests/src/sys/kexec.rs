//! The system calls of kexec, and what `/sys/kernel` says about them.

use std::ffi::{c_char, CStr};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

use anyhow::{bail, ensure, Result};

use super::bindings::linux::{self, kexec_segment};
use crate::files;

const LOADED: &str = "/sys/kernel/kexec_loaded";
const CRASH_LOADED: &str = "/sys/kernel/kexec_crash_loaded";

pub const ARCH_X86_64: u64 = linux::KEXEC_ARCH_X86_64 as u64;
/// `flags` of [`load`]: an architecture that no x86-64 kernel can enter.
pub const ARCH_AARCH64: u64 = linux::KEXEC_ARCH_AARCH64 as u64;
pub const PRESERVE_CONTEXT: u64 = linux::KEXEC_PRESERVE_CONTEXT as u64;

pub const ON_CRASH: u64 = linux::KEXEC_ON_CRASH as u64;
pub const FILE_ON_CRASH: u64 = linux::KEXEC_FILE_ON_CRASH as u64;
/// The kernel says what it loads, and where to.
pub const FILE_DEBUG: u64 = linux::KEXEC_FILE_DEBUG as u64;
/// `KEXEC_FILE_NO_CMA` of `linux/kexec.h`.
pub const FILE_NO_CMA: u64 = 0x10;

/// `LINUX_REBOOT_CMD_KEXEC` (`linux/reboot.h`).
const REBOOT_KEXEC: libc::c_int = 0x4558_4543;

/// One segment of [`load`], not necessarily one that makes sense.
#[repr(transparent)]
pub struct Segment<'a>(kexec_segment, PhantomData<&'a [u8]>);

impl<'a> Segment<'a> {
    /// `data`, zero-filled up to `bytes`, at the physical address `at`.
    pub fn new(data: &'a [u8], at: u64, bytes: u64) -> Self {
        let segment = kexec_segment {
            buf: data.as_ptr().cast(),
            bufsz: data.len() as u64,
            mem: at as *const _,
            memsz: bytes,
        };
        Self(segment, PhantomData)
    }

    /// `bytes` of data that nobody can read.
    pub fn unreadable(bytes: u64, at: u64, memory: u64) -> Self {
        let mut segment = Self::new(&[], at, memory);
        segment.0.bufsz = bytes;
        segment.0.buf = std::ptr::null();
        segment
    }

    /// The same as [`Self::new`], with a size of the data that need not be true (the kernel may then read past it,
    /// in this process; it reports what it cannot read).
    pub fn claiming(data: &'a [u8], claimed: u64, at: u64, bytes: u64) -> Self {
        let mut segment = Self::new(data, at, bytes);
        segment.0.bufsz = claimed;
        segment
    }
}

fn checked(result: libc::c_long) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

pub fn load(entry: u64, segments: &[Segment<'_>], flags: u64) -> io::Result<()> {
    // SAFETY: The kernel only reads: the array, which is `segments.len()` long (`Segment` is
    // transparent), and the buffers in it, at most as far as this process may read itself.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_load,
            entry,
            segments.len(),
            segments.as_ptr(),
            flags,
        )
    };
    checked(result)
}

pub fn unload() -> io::Result<()> {
    load(0, &[], ARCH_X86_64)
}

pub fn unload_crash() -> io::Result<()> {
    load(0, &[], ARCH_X86_64 | ON_CRASH)
}

pub fn file_load(
    kernel: BorrowedFd<'_>,
    initrd: Option<BorrowedFd<'_>>,
    cmdline: &CStr,
    flags: u64,
) -> io::Result<()> {
    let len = cmdline.to_bytes_with_nul().len();
    // SAFETY: The string is as long as that.
    unsafe { file_load_at(kernel, initrd, cmdline.as_ptr(), len, flags) }
}

/// The same with a command line of which this process may not have looked at a byte: so many, with the
/// zero at the end.
///
/// # Safety
///
/// They are there, or will be when the kernel reads them.
pub unsafe fn file_load_at(
    kernel: BorrowedFd<'_>,
    initrd: Option<BorrowedFd<'_>>,
    cmdline: *const c_char,
    cmdline_len: usize,
    flags: u64,
) -> io::Result<()> {
    let no_initrd = u64::from(linux::KEXEC_FILE_NO_INITRAMFS);
    let (initrd, flags) = match initrd {
        Some(initrd) => (initrd.as_raw_fd(), flags),
        None => (-1, flags | no_initrd),
    };
    // SAFETY: The descriptors are open, and the kernel reads `cmdline` no further than its length, by
    // contract.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            kernel.as_raw_fd(),
            initrd,
            cmdline_len,
            cmdline,
            flags,
        )
    };
    checked(result)
}

pub fn file_unload() -> io::Result<()> {
    file_unload_with(0)
}

pub fn file_unload_crash() -> io::Result<()> {
    file_unload_with(FILE_ON_CRASH)
}

fn file_unload_with(flags: u64) -> io::Result<()> {
    let flags = flags | u64::from(linux::KEXEC_FILE_UNLOAD);
    // SAFETY: With this flag the kernel looks at nothing else.
    let result =
        unsafe { libc::syscall(libc::SYS_kexec_file_load, -1, -1, 0_usize, 0_usize, flags) };
    checked(result)
}

/// Enters the loaded image, by `reboot(2)`. Coming back is the error.
pub fn exec() -> io::Error {
    // SAFETY: The call takes no memory of this process.
    unsafe { libc::reboot(REBOOT_KEXEC) };
    io::Error::last_os_error()
}

pub fn loaded() -> Result<bool> {
    flag(LOADED)
}

pub fn crash_loaded() -> Result<bool> {
    flag(CRASH_LOADED)
}

pub fn expect_loaded(loaded: bool) -> Result<()> {
    expect(LOADED, loaded)
}

pub fn expect_crash_loaded(loaded: bool) -> Result<()> {
    expect(CRASH_LOADED, loaded)
}

fn expect(path: &str, loaded: bool) -> Result<()> {
    let says = flag(path)?;
    ensure!(says == loaded, "{path} says {}", u8::from(says));
    Ok(())
}

fn flag(path: &str) -> Result<bool> {
    match &*files::read(path)? {
        "0" => Ok(false),
        "1" => Ok(true),
        other => bail!("{path} says {other:?}"),
    }
}
