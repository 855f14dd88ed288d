//! The livepatch transition to the replacements, and back.
//!
//! Where images are [bound](Bound) to the functions that have loaded them, nobody may load, unload or
//! start one while some tasks use the old functions and others the new ones: stock code must not see
//! an image that was prepared here, nor the other way round. The kexec lock is held for that time, so
//! the system calls say "busy". Such functions also know whose addresses those of the crash area are,
//! so it is shown to the kernel only while every task uses them.
//!
//! The door for programs (`dom0/privcmd.rs`) is under no lock. On the way there it may take as long as the
//! longest hypercall; on the way back nobody waits for one, for it is not in the module any more.
//!
//! Whoever has the lock may have it for long: a load reads its data from wherever they are. And while
//! a transition begins, no other module comes or goes. So the lock is taken before that for the way
//! there; on the way back it is waited for but shortly, and the functions stay in use if that is in
//! vain. `modprobe -r` then tries again (`scripts/modprobe.conf`).

use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Release};
use kernel::sync::global_lock;

use crate::sys::crashk_res;
use crate::sys::kexec_lock::KexecLock;
use crate::sys::kimage::{self, shadow};
use crate::sys::livepatch::{self, Callbacks, Describe};
use crate::sys::wait;

/// Whether every task uses the replacements, and images can be loaded.
static COMPLETE: Atomic<bool> = Atomic::new(false);

global_lock! {
    // SAFETY: `Bound::start` initialises it before anything else here is called.
    unsafe(uninit) static KEXEC_LOCK: Mutex<Option<KexecLock>> = None;
}

/// Whether every task uses the replacements, and none is on its way back.
pub(super) fn is_complete() -> bool {
    COMPLETE.load(Acquire)
}

/// How long `modprobe` waits until every task uses the replacements, in ms. Then it goes on, and so
/// does the transition.
const PATIENCE_MS: i64 = 60_000;
/// How long it waits for a load to end, in ms.
const PATIENCE_WITH_A_LOAD_MS: i64 = 5_000;
/// How long no module of the system may come or go for the sake of a load or of an image that somebody
/// frees, in ms. To free the loaded images comes on top, if they go.
const PATIENCE_OF_OTHERS_MS: i64 = 1_000;

/// What becomes of images that are loaded when the functions change.
pub(super) trait Images: Callbacks {
    /// Before the transition begins.
    ///
    /// # Errors
    ///
    /// It must not begin now. The reason has been told.
    fn start() -> Result;

    /// The transition has not begun after all.
    fn stop();
}

/// Only the functions that have loaded an image can start it or unload it.
pub(super) struct Bound;

/// An image is good with either set of functions.
pub(super) struct Free;

/// Replaces the functions and waits until every task uses the replacements.
///
/// # Safety
///
/// As for [`livepatch::enable`].
pub(super) unsafe fn start<I: Images>(
    module: &'static ThisModule,
    objects: &[&'static dyn Describe],
) -> Result {
    I::start()?;
    // SAFETY: By contract.
    unsafe { livepatch::enable::<I>(module, objects) }.inspect_err(|_| I::stop())?;
    if !wait::until(PATIENCE_MS, || COMPLETE.load(Acquire)) {
        pr_warn!("some tasks still use code that rkexec replaces, of kexec or in a program's call of Xen; until they leave it, rkexec is not complete\n");
    }
    Ok(())
}

impl Images for Bound {
    fn start() -> Result {
        // SAFETY: Called once, by the module's init.
        unsafe { KEXEC_LOCK.init() };
        let Some(lock) = KexecLock::take_within(PATIENCE_WITH_A_LOAD_MS) else {
            pr_err!("not loaded: an image is being loaded just now; try again when that is over\n");
            return Err(EBUSY);
        };
        if kimage::loaded(&lock).next().is_some() {
            pr_err!("not loaded: an image is loaded that this module has not prepared; unload it first (kexec -u)\n");
            return Err(EBUSY);
        }
        *KEXEC_LOCK.lock() = Some(lock);
        Ok(())
    }

    fn stop() {
        drop(KEXEC_LOCK.lock().take());
    }
}

impl Callbacks for Bound {
    fn after_patch() {
        // There is none if they stay in use.
        if let Some(lock) = KEXEC_LOCK.lock().take() {
            crashk_res::open(&lock);
        }
        // Only now: whoever waits for it is going to load an image.
        COMPLETE.store(true, Release);
    }

    fn before_unpatch() -> Result {
        let lock = take_when_quiet(PATIENCE_OF_OTHERS_MS).map_err(|what| {
            pr_err!(
                "not taken out: an image is being {what} just now; try again when that is over\n"
            );
            EBUSY
        })?;
        // Only now that nothing can fail any more.
        if kimage::unload_all(&lock) {
            pr_info!("the loaded image goes with the module\n");
        }
        COMPLETE.store(false, Release);
        crashk_res::close(&lock);
        *KEXEC_LOCK.lock() = Some(lock);
        Ok(())
    }

    fn after_unpatch() {
        Self::stop();
    }
}

/// Takes the lock as soon as no image is being loaded or freed, if that is within so many ms; else says
/// which of the two it is. May sleep.
///
/// `kexec_file_load` frees an image after it has given the lock back: one may be left whose task has not
/// come to it yet, and that must use the function that knows it.
fn take_when_quiet(ms: i64) -> Result<KexecLock, &'static str> {
    let mut lock = None;
    let is_quiet = wait::until(ms, || {
        lock = lock.take().or_else(KexecLock::try_take);
        lock.as_ref().is_some_and(shadow::only_loaded_are_left)
    });
    match (lock, is_quiet) {
        (Some(lock), true) => Ok(lock),
        (Some(_), false) => Err("freed"),
        (None, _) => Err("loaded"),
    }
}

impl Images for Free {
    fn start() -> Result {
        Ok(())
    }

    fn stop() {}
}

impl Callbacks for Free {
    fn after_patch() {
        COMPLETE.store(true, Release);
    }

    fn before_unpatch() -> Result {
        Ok(())
    }

    fn after_unpatch() {
        COMPLETE.store(false, Release);
    }
}
