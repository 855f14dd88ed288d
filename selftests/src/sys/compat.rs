//! System calls as a program of 32 bits makes them.

use std::arch::asm;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use anyhow::{ensure, Result};

use super::bindings::xen::{ioctl_privcmd_hypercall, privcmd_hypercall};

const IOCTL: u64 = 54;
const PAGE: usize = 4096;

/// Asks a device for a hypercall by the ioctl(2) of such a program.
pub fn hypercall(device: BorrowedFd<'_>, op: u64, arg: [u64; 5]) -> Result<io::Result<u64>> {
    // SAFETY: A mapping of nobody's memory, where 32 bits reach.
    let page = unsafe {
        let (access, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
        );
        libc::mmap(ptr::null_mut(), PAGE, access, flags, -1, 0)
    };
    ensure!(page != libc::MAP_FAILED, io::Error::last_os_error());
    // SAFETY: The page is mapped, and larger than that.
    unsafe {
        page.cast::<privcmd_hypercall>()
            .write(privcmd_hypercall { op, arg })
    };
    let mut result = IOCTL;
    // SAFETY: The kernel reads the structure, which is as long as the request says. It leaves all
    // registers as they are but RAX, and of a program of 32 bits it need not keep R8 to R11.
    unsafe {
        asm!(
            "xchg {device}, rbx",
            "int 0x80",
            "xchg {device}, rbx",
            device = inout(reg) device.as_raw_fd() as u64 => _,
            inout("rax") result,
            in("rcx") ioctl_privcmd_hypercall,
            in("rdx") page,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    // SAFETY: The mapping from above, of which nothing is left.
    unsafe { libc::munmap(page, PAGE) };
    // The result has 32 bits.
    let result = result as i32;
    Ok(u64::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result)))
}
