//! The kernel's lock around everything that loads, unloads or starts a kexec image
//! (`kernel/kexec_internal.h`): an atomic flag without an owner, so that a panic can try it too.

use core::ptr::addr_of_mut;
use core::sync::atomic::{AtomicI32, Ordering};

use super::bindings::kernel as c;

fn flag() -> &'static AtomicI32 {
    // SAFETY: `__kexec_lock` is a static `atomic_t`, which has the layout of an `i32`; everybody
    // else reads and writes it by atomic operations only.
    unsafe { AtomicI32::from_ptr(addr_of_mut!(c::__kexec_lock).cast()) }
}

/// Takes the lock if it is free: `kexec_trylock()`.
pub(crate) fn try_lock() -> bool {
    flag()
        .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
        .is_ok()
}

/// Takes the lock, however long a load that holds it may last. May sleep.
pub(crate) fn lock() {
    while !try_lock() {
        // SAFETY: The callers may sleep, as this function's doc demands.
        unsafe { kernel::bindings::msleep(1) };
    }
}

/// Gives the lock back: `kexec_unlock()`. It need not be the task that took it.
pub(crate) fn unlock() {
    flag().store(0, Ordering::Release);
}
