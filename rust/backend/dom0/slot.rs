//! Which image Xen holds.
//!
//! Xen has room for one image of each kind. The kernel loads a new default image before it frees the
//! old one, and frees images that never got as far as Xen: so whoever frees an image must know
//! whether it is the one that Xen has. Xen itself cannot say which one it has. All that it tells is a bit that
//! toggles on every load and unload: when that is not what this module has left it at, somebody else
//! has called Xen since, and what Xen has is no longer ours to drop.

use kernel::prelude::*;
use kernel::sync::global_lock;

use super::xen;
use crate::pure::xen_abi::Version;
use crate::sys::hypercall::{self, ImageType};
use crate::sys::kimage::ImageId;
use crate::sys::xen_version;

/// An image that Xen has been given.
struct Loaded {
    id: ImageId,
    /// Xen's status from then on.
    status: Option<bool>,
}

impl Loaded {
    /// Whether nobody else has loaded or unloaded anything since, as far as one can see.
    fn is_there(&self, kind: ImageType) -> bool {
        hypercall::status(kind) == self.status
    }
}

/// What Xen has of each kind.
struct Slots {
    default: Option<Loaded>,
    crash: Option<Loaded>,
}

impl Slots {
    fn of(&mut self, kind: ImageType) -> &mut Option<Loaded> {
        match kind {
            ImageType::Default => &mut self.default,
            ImageType::Crash => &mut self.crash,
        }
    }
}

global_lock! {
    // SAFETY: `init` is called by the module's init before anything else here.
    unsafe(uninit) static SLOTS: Mutex<Slots> = Slots { default: None, crash: None };
}

/// Makes the slot usable.
pub(super) fn init() {
    // SAFETY: Called once, by the module's init.
    unsafe { SLOTS.init() };
}

/// Gives Xen the image `id` by calling `load`. If that fails, Xen keeps the default image that it
/// has; but not a crash image, which was in the same place.
pub(super) fn fill<E>(
    kind: ImageType,
    id: ImageId,
    load: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let mut slots = SLOTS.lock();
    load()?;
    *slots.of(kind) = Some(Loaded {
        id,
        status: hypercall::status(kind),
    });
    Ok(())
}

/// Gives Xen the default image `id` once more, for somebody else may have used the slot. If Xen
/// refuses, what it has from before may be as good. Neither allocates nor sleeps.
pub(super) fn refill(id: ImageId, load: impl FnOnce() -> Result) -> Result {
    load().or_else(|e| {
        let slots = SLOTS.try_lock().ok_or(e)?;
        match &slots.default {
            Some(loaded) if loaded.id == id && loaded.is_there(ImageType::Default) => Ok(()),
            _ => Err(e),
        }
    })
}

/// Takes the image `id` from Xen, if Xen has it.
pub(super) fn clear(kind: ImageType, id: ImageId) {
    let mut slots = SLOTS.lock();
    let Some(loaded) = slots.of(kind).take_if(|loaded| loaded.id == id) else {
        return;
    };
    if xen_version::get() < Version::UNLOADS_SINCE {
        // It is some pages of Xen's, and no danger: the hand-over finds that its image is gone.
        pr_info!(
            "Xen keeps the hand-over until the next load: before 4.9 it is not safe to unload\n"
        );
        return;
    }
    if !loaded.is_there(kind) {
        pr_notice!("another program has used Xen's kexec slot: it is left as it is\n");
        return;
    }
    if let Err(e) = hypercall::unload(xen::used(), kind) {
        pr_warn!("Xen does not unload the image (error {})\n", e.to_errno());
    }
}
