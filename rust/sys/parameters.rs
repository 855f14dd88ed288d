//! The module's parameters that the `module!` macro has no type for.

use core::ffi::CStr;

use super::bindings::kernel as c;

/// `xen_abi=`, as it was given.
pub(crate) fn xen_abi() -> &'static CStr {
    // SAFETY: A string of the kernel's, or of the C file's; nobody writes to it, for the parameter
    // cannot be changed once the module is loaded.
    unsafe { CStr::from_ptr(c::rkexec_xen_abi().cast()) }
}
