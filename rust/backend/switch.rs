//! Switching over to the replacements, and back.
//!
//! While some tasks use the old functions and others the new ones, nobody may load, unload or start
//! an image: stock code must not see one that was prepared here, nor the other way round. The
//! kexec lock is held for that time, so the system calls say "busy".

use core::sync::atomic::{AtomicBool, Ordering};

use kernel::prelude::*;

use crate::sys::bindings::kernel as c;
use crate::sys::kexec_lock;
use crate::sys::kimage;
use crate::sys::livepatch::{self, Callbacks, Replacement};

/// Whether every task uses the replacements.
static COMPLETE: AtomicBool = AtomicBool::new(false);

/// How long `modprobe` waits for that, in ms. Then it goes on, and so does the switch-over.
const PATIENCE_MS: u32 = 60_000;
/// How often it looks, in ms.
const INTERVAL_MS: u32 = 5;

/// Replaces the functions and waits until every task uses the replacements.
///
/// # Safety
///
/// As for [`livepatch::enable`].
pub(super) unsafe fn start(module: &'static ThisModule, replacements: &[Replacement]) -> Result {
    let callbacks = Callbacks {
        begin_patch,
        end_patch: end,
        begin_unpatch,
        end_unpatch: end,
    };
    // SAFETY: By contract.
    unsafe { livepatch::enable(module, replacements, &callbacks) }?;

    let mut waited = 0;
    while !COMPLETE.load(Ordering::Acquire) {
        if waited >= PATIENCE_MS {
            pr_warn!("some tasks still use the kernel's own kexec code; until they leave it, the system calls say EBUSY\n");
            break;
        }
        // SAFETY: The module's init may sleep.
        unsafe { kernel::bindings::msleep(INTERVAL_MS) };
        waited = waited.saturating_add(INTERVAL_MS);
    }
    Ok(())
}

unsafe extern "C" fn begin_patch(_object: *mut c::klp_object) -> c_int {
    kexec_lock::lock();
    if kimage::default_image_is_loaded() {
        kexec_lock::unlock();
        pr_err!("not loaded: an image is loaded that this module has not prepared; unload it first (kexec -u)\n");
        return EBUSY.to_errno();
    }
    0
}

unsafe extern "C" fn begin_unpatch(_object: *mut c::klp_object) {
    kexec_lock::lock();
    COMPLETE.store(false, Ordering::Release);
    if kimage::unload_default_image() {
        pr_info!("the loaded image goes with the module\n");
    }
}

unsafe extern "C" fn end(object: *mut c::klp_object) {
    kexec_lock::unlock();
    // SAFETY: The livepatch core passes its own object.
    let patched = unsafe { (*object).patched };
    COMPLETE.store(patched, Ordering::Release);
}
