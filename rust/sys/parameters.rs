//! The module's parameters (`helpers.c`). None of them can be changed once the module is loaded.

use core::ffi::CStr;

use super::bindings::kernel as c;

/// `serial=`, as it was given.
pub(crate) fn serial_port() -> u32 {
    // SAFETY: The function only returns a number.
    unsafe { c::rkexec_serial_port() }
}

/// `halt=`.
pub(crate) fn halts() -> bool {
    // SAFETY: As above.
    unsafe { c::rkexec_halts() }
}

/// `debug=`.
pub(crate) fn tells_times() -> bool {
    // SAFETY: As above.
    unsafe { c::rkexec_tells_times() }
}

/// `privcmd=`.
pub(crate) fn takes_privcmd() -> bool {
    // SAFETY: As above.
    unsafe { c::rkexec_takes_privcmd() }
}

/// `xen_abi=`, as it was given.
pub(crate) fn xen_abi() -> &'static CStr {
    // SAFETY: A string of the kernel's, or of the C file's; nobody writes to it, for the parameter
    // cannot be changed once the module is loaded.
    unsafe { CStr::from_ptr(c::rkexec_xen_abi().cast()) }
}
