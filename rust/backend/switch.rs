//! Switching over to the replacements, and back.
//!
//! Where images are [bound](Images::Bound) to the functions that have loaded them, nobody may load,
//! unload or start one while some tasks use the old functions and others the new ones: stock code
//! must not see an image that was prepared here, nor the other way round. The kexec lock is held for
//! that time, so the system calls say "busy". Such functions also know whose addresses those of the
//! crash area are, so it is shown to the kernel only while every task uses them.

use core::sync::atomic::{AtomicBool, Ordering};

use kernel::prelude::*;
use kernel::sync::SetOnce;

use crate::sys::bindings::kernel as c;
use crate::sys::crashk_res;
use crate::sys::kexec_lock;
use crate::sys::kimage;
use crate::sys::livepatch::{self, Callbacks, Replacement};

/// Whether every task uses the replacements.
static COMPLETE: AtomicBool = AtomicBool::new(false);

/// See [`Images::Bound`].
static NONE_IS_LEFT: SetOnce<fn() -> bool> = SetOnce::new();

/// How long `modprobe` waits for that, in ms. Then it goes on, and so does the switch-over.
const PATIENCE_MS: u32 = 60_000;
/// How often it looks, in ms.
const INTERVAL_MS: u32 = 5;

/// What becomes of images that are loaded when the functions change.
pub(super) enum Images {
    /// Only the functions that have loaded an image can start it or unload it. The function tells
    /// whether there is none left.
    Bound(fn() -> bool),
    /// An image is good with either set of functions.
    Free,
}

/// Replaces the functions and waits until every task uses the replacements.
///
/// # Safety
///
/// As for [`livepatch::enable`].
pub(super) unsafe fn start(
    module: &'static ThisModule,
    replacements: &[Replacement],
    images: Images,
) -> Result {
    let callbacks = match images {
        Images::Bound(none_is_left) => {
            NONE_IS_LEFT.populate(none_is_left);
            Callbacks {
                begin_patch: lock_and_refuse_images,
                end_patch: unlock,
                begin_unpatch: lock_and_unload_images,
                end_unpatch: unlock,
            }
        }
        Images::Free => Callbacks {
            begin_patch: begin,
            end_patch: end,
            begin_unpatch: end,
            end_unpatch: end,
        },
    };
    // SAFETY: By contract.
    unsafe { livepatch::enable(module, replacements, &callbacks) }?;

    let mut waited = 0;
    while !COMPLETE.load(Ordering::Acquire) {
        if waited >= PATIENCE_MS {
            pr_warn!("some tasks still use the kernel's own kexec code; until they leave it, rkexec is not complete\n");
            break;
        }
        // SAFETY: The module's init may sleep.
        unsafe { kernel::bindings::msleep(INTERVAL_MS) };
        waited = waited.saturating_add(INTERVAL_MS);
    }
    Ok(())
}

unsafe extern "C" fn lock_and_refuse_images(_object: *mut c::klp_object) -> c_int {
    kexec_lock::lock();
    if kimage::loaded().next().is_some() {
        kexec_lock::unlock();
        pr_err!("not loaded: an image is loaded that this module has not prepared; unload it first (kexec -u)\n");
        return EBUSY.to_errno();
    }
    0
}

unsafe extern "C" fn lock_and_unload_images(_object: *mut c::klp_object) {
    kexec_lock::lock();
    COMPLETE.store(false, Ordering::Release);
    if kimage::unload_all() {
        pr_info!("the loaded image goes with the module\n");
    }
    // The system calls free an image after they have given the lock back: one may be left whose task
    // has not come to it yet, and that must use the function that knows it.
    let mut waited = 0;
    while !NONE_IS_LEFT.as_ref().is_none_or(|none| none()) && waited < PATIENCE_MS {
        // SAFETY: Callbacks may sleep.
        unsafe { kernel::bindings::msleep(INTERVAL_MS) };
        waited = waited.saturating_add(INTERVAL_MS);
    }
    crashk_res::close();
}

unsafe extern "C" fn unlock(object: *mut c::klp_object) {
    // SAFETY: As below.
    unsafe { end(object) };
    if COMPLETE.load(Ordering::Acquire) {
        crashk_res::open();
    }
    kexec_lock::unlock();
}

unsafe extern "C" fn begin(_object: *mut c::klp_object) -> c_int {
    0
}

unsafe extern "C" fn end(object: *mut c::klp_object) {
    // SAFETY: The livepatch core passes its own object.
    let patched = unsafe { (*object).patched };
    COMPLETE.store(patched, Ordering::Release);
}
