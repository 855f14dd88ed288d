//! How far the running kernel is locked down (`security/lockdown/lockdown.c`).
//!
//! `security_locked_down()` would tell, and also the log that somebody tried something forbidden.

use core::ptr::addr_of;

use kernel::bindings;

use super::bindings::kernel as c;
use crate::pure::boot_params::Lockdown;

/// How far it is right now; it is never less afterwards. A kernel that was built without
/// `CONFIG_SECURITY_LOCKDOWN_LSM` never is, and does not have the number.
pub(crate) fn level() -> Option<Lockdown> {
    if !cfg!(CONFIG_SECURITY_LOCKDOWN_LSM) {
        return None;
    }
    // SAFETY: A number, which others may change any time to a larger one.
    let level = unsafe { addr_of!(c::kernel_locked_down).read_volatile() };
    if level >= bindings::lockdown_reason_LOCKDOWN_CONFIDENTIALITY_MAX {
        Some(Lockdown::Confidentiality)
    } else if level >= bindings::lockdown_reason_LOCKDOWN_INTEGRITY_MAX {
        Some(Lockdown::Integrity)
    } else {
        None
    }
}
