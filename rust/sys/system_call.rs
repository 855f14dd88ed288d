//! System calls that the module makes in the place of the program that runs: all that the kernel checks
//! of a caller, it checks of that one. (Not what stands before the system calls: seccomp, audit.)

use core::ptr::{null_mut, without_provenance_mut};

use kernel::bindings;
use kernel::error::{from_err_ptr, to_result};
use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice};

use super::bindings::kernel as c;
use super::hypercall::ImageType;
use super::pages::PAGE_BYTES;
use crate::abi::xen_kexec as xen;
use crate::pure::addr::Maddr;

/// `kexec_load(2)`: loads an image for the ELF machine `arch` in the place of the one of this type that
/// there is. The data of its segments is in the program's memory.
///
/// A segment is the same for Xen and for the kernel: address and bytes of the data, address and bytes of
/// the destination.
///
/// # Errors
///
/// Those of the system call, and what keeps the list of the segments from the program's memory.
pub(crate) fn kexec_load(
    kind: ImageType,
    arch: u16,
    entry: Maddr,
    segments: &[xen::Segment],
) -> Result {
    const { assert!(size_of::<xen::Segment>() == size_of::<c::kexec_segment>()) };
    let list = InProgram::holding(segments)?;
    let on_crash = match kind {
        ImageType::Default => 0,
        ImageType::Crash => c::KEXEC_ON_CRASH as usize,
    };
    let flags = on_crash | usize::from(arch) << ARCH_SHIFT;
    let registers = registers([entry.raw() as usize, segments.len(), list.0, flags]);
    // SAFETY: The system call checks what it is given.
    result(unsafe { c::__x64_sys_kexec_load(&registers) })
}

/// `kexec_file_load(2)` as it unloads the image of this type, if there is one, by whichever call it came.
/// `kexec_load(2)` would do the same, but not in a kernel that is locked down.
///
/// # Errors
///
/// Those of the system call.
pub(crate) fn kexec_unload(kind: ImageType) -> Result {
    let on_crash = match kind {
        ImageType::Default => 0,
        ImageType::Crash => c::KEXEC_FILE_ON_CRASH,
    };
    let mut registers = registers([NO_FILE, NO_FILE, 0, 0]);
    registers.r8 = (c::KEXEC_FILE_UNLOAD | on_crash) as usize;
    // SAFETY: With this flag the system call looks at nothing else.
    result(unsafe { c::__x64_sys_kexec_file_load(&registers) })
}

/// A file descriptor of none.
const NO_FILE: usize = usize::MAX;

/// Where the ELF machine is in the flags (`KEXEC_ARCH_MASK`).
const ARCH_SHIFT: u32 = 16;

/// `reboot(2)` with `LINUX_REBOOT_CMD_KEXEC`: shuts down all devices and starts the default image.
///
/// # Errors
///
/// Those of the system call. If it succeeds it does not return.
pub(crate) fn reboot_by_kexec() -> Result {
    let [first, second] = [c::LINUX_REBOOT_MAGIC1, c::LINUX_REBOOT_MAGIC2];
    let args = [
        first as usize,
        second as usize,
        c::LINUX_REBOOT_CMD_KEXEC as usize,
        0,
    ];
    // SAFETY: Likewise.
    result(unsafe { c::__x64_sys_reboot(&registers(args)) })
}

/// As a program's registers are when it makes a system call with these arguments.
fn registers([di, si, dx, r10]: [c_ulong; 4]) -> bindings::pt_regs {
    bindings::pt_regs {
        di,
        si,
        dx,
        r10,
        ..Default::default()
    }
}

/// What a system call has returned.
fn result(ret: c_long) -> Result {
    to_result(c_int::try_from(ret)?)
}

/// A page of the program's memory, where it had none. It goes with this value.
struct InProgram(usize);

impl InProgram {
    /// A page that begins with these rows.
    ///
    /// # Errors
    ///
    /// `ENOMEM` and others: the program cannot have more memory. `EFAULT`: they are larger than a page.
    fn holding(rows: &[xen::Segment]) -> Result<Self> {
        const PROT: u32 = c::PROT_READ | c::PROT_WRITE;
        const FLAGS: u32 = c::MAP_PRIVATE | c::MAP_ANONYMOUS;
        // SAFETY: The kernel chooses a place where nothing else is. What runs is the program.
        let at = unsafe {
            bindings::vm_mmap(null_mut(), 0, PAGE_BYTES, PROT as usize, FLAGS as usize, 0)
        };
        let page = Self(from_err_ptr(without_provenance_mut::<u8>(at))?.addr());
        let mut to = UserSlice::new(UserPtr::from_addr(page.0), PAGE_BYTES).writer();
        for row in rows {
            to.write(row)?;
        }
        Ok(page)
    }
}

impl Drop for InProgram {
    fn drop(&mut self) {
        // SAFETY: It is ours, in the program that runs. If another thread of it has put something else there,
        // that is its own loss.
        unsafe { bindings::vm_munmap(self.0, PAGE_BYTES) };
    }
}
