//! Which image Xen holds.
//!
//! Xen has room for one default image. The kernel loads a new image before it frees the old one,
//! and frees images that never got as far as Xen: so whoever frees an image must know whether it
//! is the one that Xen has. Xen itself cannot say which one it has.

use kernel::prelude::*;
use kernel::sync::global_lock;

use crate::sys::hypercall;
use crate::sys::kimage::ImageId;

global_lock! {
    // SAFETY: `init` is called by the module's init before anything else here.
    unsafe(uninit) static HELD: Mutex<Option<ImageId>> = None;
}

/// Makes the slot usable.
pub(super) fn init() {
    // SAFETY: Called once, by the module's init.
    unsafe { HELD.init() };
}

/// Gives Xen the image `id` by calling `load`. If that fails, Xen keeps what it has.
pub(super) fn fill<E>(id: ImageId, load: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    let mut held = HELD.lock();
    load()?;
    *held = Some(id);
    Ok(())
}

/// Takes the image `id` from Xen, if Xen has it.
pub(super) fn clear(id: ImageId) {
    let mut held = HELD.lock();
    if *held != Some(id) {
        return;
    }
    *held = None;
    if let Err(e) = hypercall::unload() {
        pr_warn!("Xen does not unload the image (error {})\n", e.to_errno());
    }
}
