//! Xen's driver for hypercalls of programs: `drivers/xen/privcmd.c`, `include/uapi/xen/privcmd.h`.

use core::mem::transmute;

use kernel::bindings;
use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice};

use super::bindings::kernel as c;
use crate::abi::xen_kexec as xen;

/// The request of ioctl(2) that makes a hypercall (`IOCTL_PRIVCMD_HYPERCALL`).
pub(crate) const HYPERCALL: c_uint = c::RKEXEC_IOCTL_PRIVCMD_HYPERCALL;

/// A kexec hypercall that a program makes.
pub(crate) struct KexecOp {
    /// Which (`xen_kexec::CMD_*`).
    pub(crate) command: u32,
    /// Where its argument is, in the program's memory.
    pub(crate) argument: UserPtr,
}

impl KexecOp {
    /// The kexec hypercall that is at `data` in the program's memory; `None` if it is another one, or
    /// nothing can be read there.
    ///
    /// Only the low 32 bits of either number count, as for some versions of Xen. For others there is no
    /// such hypercall, or no such command, if it has more.
    pub(crate) fn read(data: usize) -> Option<Self> {
        let at = UserSlice::new(UserPtr::from_addr(data), size_of::<c::privcmd_hypercall>());
        let call: c::privcmd_hypercall = at.reader().read().ok()?;
        let [command, argument, ..] = call.arg;
        (call.op as u32 == c::__HYPERVISOR_kexec_op).then(|| Self {
            command: command as u32,
            argument: UserPtr::from_addr(argument as usize),
        })
    }

    /// Its argument, if it can be read.
    pub(crate) fn read_argument<T: kernel::transmute::FromBytes>(&self) -> Result<T> {
        UserSlice::new(self.argument, size_of::<T>())
            .reader()
            .read()
    }
}

/// The segments of an image that a program wants to load by V2, if they can be read; no more than `max`.
pub(crate) fn read_segments(load: &xen::Load, max: usize) -> Result<KVec<xen::Segment>> {
    let count = usize::try_from(load.nr_segments)?;
    if count > max {
        return Err(EINVAL);
    }
    let len = count.checked_mul(size_of::<xen::Segment>()).ok_or(EINVAL)?;
    let mut from = UserSlice::new(UserPtr::from_addr(load.segments as usize), len).reader();
    let mut segments = KVec::with_capacity(count, GFP_KERNEL)?;
    for _ in 0..count {
        segments.push(from.read()?, GFP_KERNEL)?;
    }
    Ok(segments)
}

/// `privcmd_ioctl()`, as the driver has it.
#[derive(Clone, Copy)]
pub(crate) struct Driver(Ioctl);

type Ioctl = unsafe extern "C" fn(*mut bindings::file, c_uint, c_ulong) -> c_long;

impl Driver {
    /// # Safety
    ///
    /// The driver's function begins at `code`, or what is left of it does when the call of ftrace is left
    /// out; and it is there as long as this is.
    pub(crate) unsafe fn at(code: *const c_void) -> Self {
        // SAFETY: By contract; the type is its prototype's.
        Self(unsafe { transmute::<*const c_void, Ioctl>(code) })
    }

    /// Has the driver do what the program asks for.
    ///
    /// # Safety
    ///
    /// The file is one of the driver's, open.
    pub(crate) unsafe fn ioctl(
        self,
        file: *mut bindings::file,
        cmd: c_uint,
        data: c_ulong,
    ) -> c_long {
        // SAFETY: By contract. What is in the other two is the driver's to check.
        unsafe { (self.0)(file, cmd, data) }
    }

    /// Whether the driver makes no hypercalls for this file, but those for one guest
    /// (`IOCTL_PRIVCMD_RESTRICT`). That is the first thing that it looks at; the hypercall, which here
    /// is nowhere, would be the second. (A driver that has it the other way round serves such a file; the tests
    /// would notice.)
    ///
    /// # Safety
    ///
    /// As for [`Self::ioctl`].
    pub(crate) unsafe fn restricts(self, file: *mut bindings::file) -> bool {
        const NOWHERE: c_ulong = c_ulong::MAX;
        // SAFETY: By contract.
        let answer = unsafe { self.ioctl(file, HYPERCALL, NOWHERE) };
        answer == EPERM.to_errno() as c_long
    }
}
