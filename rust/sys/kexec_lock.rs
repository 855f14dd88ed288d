//! The kernel's lock around everything that loads, unloads or starts a kexec image
//! (`kernel/kexec_internal.h`): an atomic flag without an owner, so that a panic can try it too.
//!
//! What must be done under it takes a [`KexecLock`]. Somebody else may have the lock for as long as a
//! program likes that has an image loaded, so nobody waits for it without an end.

use kernel::sync::atomic::{Acquire, Atomic, Release};

use super::bindings::kernel as c;
use super::wait;

/// The lock, taken. It is free again when this is dropped, by whatever task.
#[must_use = "the lock is free again when this is dropped"]
pub(crate) struct KexecLock(());

impl KexecLock {
    /// Takes the lock if it is free: `kexec_trylock()`.
    pub(crate) fn try_take() -> Option<Self> {
        // Made only if it is ours: what is dropped gives the lock back.
        flag().cmpxchg(0, 1, Acquire).ok().map(|_| Self(()))
    }

    /// Takes the lock as soon as it is free, if that is within so many ms. May sleep.
    pub(crate) fn take_within(ms: i64) -> Option<Self> {
        wait::until_some(ms, Self::try_take)
    }
}

impl Drop for KexecLock {
    /// `kexec_unlock()`.
    fn drop(&mut self) {
        flag().store(0, Release);
    }
}

fn flag() -> &'static Atomic<i32> {
    // SAFETY: `__kexec_lock` is a static `atomic_t`, which has the layout of an aligned `i32`;
    // everybody else reads and writes it by the kernel's atomic operations only.
    unsafe { Atomic::from_ptr((&raw mut c::__kexec_lock).cast()) }
}
