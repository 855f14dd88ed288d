//! Replacing kernel functions by the livepatch core (`Documentation/livepatch/livepatch.rst`).

use core::cell::UnsafeCell;
use core::mem::zeroed;
use core::ptr::null;

use kernel::error::to_result;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::ThisModule;

use super::bindings::kernel as c;

/// The number of the state that the machine is in while a patch of ours is active; any will do that no
/// other patch uses. A patch that would replace all others has to know it, or is refused: such a patch
/// takes ours out without a call to [`Callbacks`], and leaves the kernel with what that would undo.
const STATE: c_ulong = 0x726b_6578_6563;

/// One function to replace: its name in the kernel, and ours. Made by [`replacements!`].
pub(crate) struct Replacement {
    name: &'static CStr,
    with: *const c_void,
}

impl Replacement {
    /// The kernel's function `name`, unique in kallsyms, is to be replaced by `with`.
    ///
    /// # Safety
    ///
    /// `with` is a function that has the signature of the kernel's.
    pub(crate) const unsafe fn new(name: &'static CStr, with: *const c_void) -> Self {
        Self { name, with }
    }
}

/// The static `PATCH` that replaces each of the kernel's functions by the one behind its name. Their
/// signatures must be the same: that of the kernel's is what bindgen makes of its prototype, which it
/// looks for because the name is here (`Kbuild`; so a row begins its line).
macro_rules! replacements {
    ($($name:ident => $with:path,)+) => {
        static PATCH: $crate::sys::livepatch::Patch<{ [$(stringify!($name)),+].len() }> =
            $crate::sys::livepatch::Patch::new([$(
                // SAFETY: Two functions fit in one array only if they have the same signature, but
                // that one may be safe and the other unsafe: both are then unsafe ones there. That is
                // no part of the ABI but a duty of the caller's, which is the kernel and calls both in
                // the same way.
                unsafe {
                    const {
                        let _ = [$crate::sys::bindings::kernel::$name, $with];
                    }
                    $crate::sys::livepatch::Replacement::new(
                        ::kernel::c_str!(stringify!($name)),
                        $with as *const ::kernel::ffi::c_void,
                    )
                },
            )+]);
    };
}
pub(crate) use replacements;

/// What is to be done around a transition (`struct klp_callbacks`). Each one that begins ends in one
/// `after_*`. They may sleep, but while they do no module of the system comes or goes.
pub(crate) trait Callbacks {
    /// Every task uses the replacements, now or still.
    fn after_patch();

    /// Before the replacement is taken back.
    ///
    /// # Errors
    ///
    /// It cannot be now: then the functions stay replaced, as if nobody had asked.
    fn before_unpatch() -> Result;

    /// No task uses the replacements, any more or ever.
    fn after_unpatch();
}

/// Whether the functions are to stay replaced though somebody has asked for the opposite.
static STAYS: Atomic<bool> = Atomic::new(false);

unsafe extern "C" fn post_patch<C: Callbacks>(_object: *mut c::klp_object) {
    if STAYS.load(Relaxed) {
        STAYS.store(false, Relaxed);
        // Whoever asked for the opposite (`__klp_disable_patch()`) has marked the patch as disabled
        // after it was turned round. Behind this callback the core looks at the mark, and would forget
        // a patch that is disabled.
        // SAFETY: The patch is static, and the core's lock, under which it calls, is held.
        unsafe { (*PATCH.load(Relaxed)).enabled = true };
    }
    C::after_patch();
}

unsafe extern "C" fn pre_unpatch<C: Callbacks>(_object: *mut c::klp_object) {
    if C::before_unpatch().is_err() {
        STAYS.store(true, Relaxed);
        // The callback cannot say no. But a transition can be turned round at any time, as by
        // `echo 1 > enabled`, and here that is before the first task has switched.
        // SAFETY: The core has begun a transition of ours, and holds its lock; the caller may sleep.
        unsafe { c::klp_reverse_transition() };
    }
}

unsafe extern "C" fn post_unpatch<C: Callbacks>(_object: *mut c::klp_object) {
    C::after_unpatch();
}

/// The patch that is enabled.
static PATCH: Atomic<*mut c::klp_patch> = Atomic::new(core::ptr::null_mut());

/// A patch that replaces `N` functions: what the livepatch core keeps pointers into for as long as the
/// module is loaded.
pub(crate) struct Patch<const N: usize> {
    replacements: [Replacement; N],
    storage: UnsafeCell<Option<Storage<N>>>,
}

/// The core tells the end of each array by a zero.
#[repr(C)]
struct Storage<const N: usize> {
    funcs: [c::klp_func; N],
    end_of_funcs: c::klp_func,
    objs: [c::klp_object; 2],
    states: [c::klp_state; 2],
    patch: c::klp_patch,
}

// SAFETY: `enable` writes the storage once, before the livepatch core knows of it; from then on only the core
// uses it, under its own lock, and the callbacks, under the same. The replacements are never written, and what
// they point to is code.
unsafe impl<const N: usize> Sync for Patch<N> {}

impl<const N: usize> Patch<N> {
    /// One that is not enabled.
    pub(crate) const fn new(replacements: [Replacement; N]) -> Self {
        Self {
            replacements,
            storage: UnsafeCell::new(None),
        }
    }

    /// Replaces the functions. The transition may go on after the return, until every task has left
    /// the old functions; [`Callbacks::after_patch`] tells when it is complete.
    ///
    /// # Safety
    ///
    /// Called once, from the module's init. Every replacement may be called from wherever the
    /// function is called that it replaces.
    pub(crate) unsafe fn enable<C: Callbacks>(
        &'static self,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: All of these are plain C structures for which zero is the documented start (the
        // core tells the end of the arrays by it, and fills in the rest). By contract this is the
        // only call, and nobody else looks at the storage yet.
        let storage = unsafe { (*self.storage.get()).insert(zeroed()) };
        for (func, replacement) in storage.funcs.iter_mut().zip(&self.replacements) {
            func.old_name = replacement.name.as_ptr().cast();
            func.new_func = replacement.with.cast_mut();
        }
        let [object, _end] = &mut storage.objs;
        object.name = null(); // The kernel itself, not a module.
        object.funcs = (&raw mut storage.funcs).cast();
        object.callbacks.pre_unpatch = Some(pre_unpatch::<C>);
        object.callbacks.post_patch = Some(post_patch::<C>);
        object.callbacks.post_unpatch = Some(post_unpatch::<C>);
        let [state, _end] = &mut storage.states;
        state.id = STATE;
        state.version = 1;
        storage.patch.mod_ = module.as_ptr();
        storage.patch.objs = storage.objs.as_mut_ptr();
        storage.patch.states = storage.states.as_mut_ptr();
        let patch = &raw mut storage.patch;
        PATCH.store(patch, Relaxed);

        // SAFETY: The structure is static and complete, and this is the init of the module in it.
        to_result(unsafe { c::klp_enable_patch(patch) })
    }
}
