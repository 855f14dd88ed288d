//! Replacing kernel functions by the livepatch core (`Documentation/livepatch/livepatch.rst`).

use core::cell::UnsafeCell;
use core::mem::zeroed;
use core::ptr::{null, with_exposed_provenance_mut};

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

/// A static `KERNEL` or `MODULE`: functions of the kernel's own, or of the module of its that is named, and
/// behind the name of each the function that replaces it. Their signatures must be the same: that of
/// the kernel's is what bindgen makes of its prototype, which it looks for because the name is here
/// (`Kbuild`; so a row begins its line).
macro_rules! replacements {
    (in the kernel: $($rows:tt)+) => {
        $crate::sys::livepatch::replacements! { @ KERNEL, None, $($rows)+ }
    };
    (in the module $module:literal: $($rows:tt)+) => {
        $crate::sys::livepatch::replacements! { @ MODULE, Some($module), $($rows)+ }
    };
    (@ $object:ident, $module:expr, $($name:ident => $with:path,)+) => {
        static $object: $crate::sys::livepatch::Object<{ [$(stringify!($name)),+].len() }> =
            $crate::sys::livepatch::Object::new($module, [$(
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
        let patch = with_exposed_provenance_mut::<c::klp_patch>(PATCH.load(Relaxed));
        // SAFETY: The patch is static, and the core's lock, under which it calls, is held.
        unsafe { (*patch).enabled = true };
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

/// The address of the patch that is enabled.
static PATCH: Atomic<usize> = Atomic::new(0);

/// How many bytes ftrace's call takes at the start of a function (`MCOUNT_INSN_SIZE`).
const CALL_BYTES: usize = 5;

/// Functions of one object, the kernel or a module of its, that are to be replaced: what the livepatch
/// core keeps pointers into for as long as the patch is there. Made by [`replacements!`].
pub(crate) struct Object<const N: usize> {
    module: Option<&'static CStr>,
    replacements: [Replacement; N],
    funcs: UnsafeCell<Option<Funcs<N>>>,
    /// Where the code of each goes on behind ftrace's call.
    originals: [Atomic<usize>; N],
}

/// The core tells the end of the array by a zero.
#[repr(C)]
struct Funcs<const N: usize> {
    funcs: [c::klp_func; N],
    end: c::klp_func,
    /// [`Object::originals`].
    originals: Option<&'static [Atomic<usize>; N]>,
}

// SAFETY: `describe` writes the functions once, before the livepatch core knows of them; from then on only the
// core uses them, under its own lock, and the callbacks, under the same. The replacements are never
// written, and what they point to is code; the rest is atomic.
unsafe impl<const N: usize> Sync for Object<N> {}

impl<const N: usize> Object<N> {
    /// Functions of the kernel's own, or of this module of its. They are replaced as soon as that is there.
    pub(crate) const fn new(module: Option<&'static CStr>, replacements: [Replacement; N]) -> Self {
        Self {
            module,
            replacements,
            funcs: UnsafeCell::new(None),
            originals: [const { Atomic::new(0) }; N],
        }
    }
}

impl Object<1> {
    /// The code of the function that is replaced, from behind the call by which ftrace comes to the
    /// replacement. To call that is to call the function as if nobody had replaced it, another livepatch
    /// included. (A kernel that checks where indirect calls go, by IBT or kCFI, would not have it; IBT is
    /// nothing that a PV domain has, and kCFI nothing of GCC's.)
    ///
    /// To be asked in the replacement only.
    pub(crate) fn original(&self) -> *const c_void {
        let [original] = &self.originals;
        core::ptr::with_exposed_provenance(original.load(Relaxed))
    }
}

/// An [`Object`] of any size.
pub(crate) trait Describe: Sync {
    /// What the core is told of it.
    ///
    /// # Safety
    ///
    /// Called once, before the core knows of it.
    unsafe fn describe(&'static self) -> c::klp_object;
}

impl<const N: usize> Describe for Object<N> {
    unsafe fn describe(&'static self) -> c::klp_object {
        // SAFETY: Plain C structures for which zero is the documented start (the core fills in the rest),
        // and a reference that may be missing. By contract this is the only call, and nobody else looks at
        // them yet.
        let funcs = unsafe { (*self.funcs.get()).insert(zeroed()) };
        for (func, replacement) in funcs.funcs.iter_mut().zip(&self.replacements) {
            func.old_name = replacement.name.as_ptr().cast();
            func.new_func = replacement.with.cast_mut();
        }
        funcs.originals = Some(&self.originals);
        c::klp_object {
            name: self.module.map_or(null(), |name| name.as_ptr().cast()),
            funcs: (&raw mut *funcs).cast(),
            callbacks: c::klp_callbacks {
                pre_patch: Some(pre_patch::<N>),
                ..Default::default()
            },
            ..Default::default()
        }
    }
}

/// The core has found the functions, and they are as the kernel has them.
unsafe extern "C" fn pre_patch<const N: usize>(object: *mut c::klp_object) -> c_int {
    // SAFETY: The core calls with an object that `describe` has made, under its lock.
    let funcs = unsafe { &*(*object).funcs.cast::<Funcs<N>>() };
    for (func, original) in (funcs.funcs.iter()).zip(funcs.originals.into_iter().flatten()) {
        // SAFETY: Any address will do.
        let call = unsafe { c::ftrace_location(func.old_func as c_ulong) };
        // There is one: else the core refuses the patch.
        original.store(call.wrapping_add(CALL_BYTES), Relaxed);
    }
    0
}

/// The most objects that a patch has.
const MAX_OBJECTS: usize = 2;

/// A patch: the only one, for a module is one.
struct Patch(UnsafeCell<Option<Storage>>);

/// The core tells the end of each array by a zero.
struct Storage {
    objs: [c::klp_object; MAX_OBJECTS + 1],
    states: [c::klp_state; 2],
    patch: c::klp_patch,
}

// SAFETY: As for `Object`: `enable` writes it once, and then it is the core's.
unsafe impl Sync for Patch {}

static STORAGE: Patch = Patch(UnsafeCell::new(None));

/// Replaces the functions of these objects, at most [`MAX_OBJECTS`]. The transition may go on after the
/// return, until every task has left the old functions; [`Callbacks::after_patch`] tells when it is
/// complete.
///
/// # Safety
///
/// Called once, from the module's init. Every replacement may be called from wherever the function is
/// called that it replaces.
pub(crate) unsafe fn enable<C: Callbacks>(
    module: &'static ThisModule,
    objects: &[&'static dyn Describe],
) -> Result {
    // SAFETY: All of these are plain C structures for which zero is the documented start (the core tells
    // the end of the arrays by it, and fills in the rest). By contract this is the only call, and nobody
    // else looks at the storage yet.
    let storage = unsafe { (*STORAGE.0.get()).insert(zeroed()) };
    let (slots, _end) = storage.objs.split_at_mut(MAX_OBJECTS);
    if objects.len() > slots.len() {
        return Err(E2BIG);
    }
    for (slot, object) in slots.iter_mut().zip(objects) {
        // SAFETY: As for the storage.
        *slot = unsafe { object.describe() };
    }
    // Once for all of it.
    if let Some(first) = slots.first_mut() {
        first.callbacks.pre_unpatch = Some(pre_unpatch::<C>);
        first.callbacks.post_patch = Some(post_patch::<C>);
        first.callbacks.post_unpatch = Some(post_unpatch::<C>);
    }
    let [state, _end] = &mut storage.states;
    state.id = STATE;
    state.version = 1;
    storage.patch.mod_ = module.as_ptr();
    storage.patch.objs = storage.objs.as_mut_ptr();
    storage.patch.states = storage.states.as_mut_ptr();
    let patch = &raw mut storage.patch;
    PATCH.store(patch.expose_provenance(), Relaxed);

    // SAFETY: The structure is static and complete, and this is the init of the module in it.
    to_result(unsafe { c::klp_enable_patch(patch) })
}
