//! Replacing kernel functions by the livepatch core (`Documentation/livepatch/livepatch.rst`).

use core::cell::UnsafeCell;
use core::mem::zeroed;
use core::ptr::null;

use kernel::error::to_result;
use kernel::prelude::*;
use kernel::ThisModule;

use super::bindings::kernel as c;

/// The most functions that a patch of ours replaces.
const MAX_FUNCS: usize = 12;

/// The number of the state that the machine is in while a patch of ours is active; any will do that no
/// other patch uses. A patch that would replace all others has to know it, or is refused: such a patch
/// takes ours out without a call to [`Callbacks`], and leaves the kernel with what they would undo.
const STATE: c_ulong = 0x726b_6578_6563;

/// One function to replace: its name in the kernel, and ours.
pub(crate) struct Replacement {
    /// The name of the function, unique in kallsyms.
    pub(crate) name: &'static CStr,
    /// A function with the same signature and the C calling convention.
    pub(crate) with: *const c_void,
}

/// What is called around a switch-over (`struct klp_callbacks`). Every `begin_*` that was called
/// (and, for [`Callbacks::begin_patch`], succeeded) is followed by one `end`.
pub(crate) struct Callbacks {
    /// Before the functions are replaced. An error leaves everything as it was.
    pub(crate) begin_patch: unsafe extern "C" fn(*mut c::klp_object) -> c_int,
    /// Before the replacement is taken back.
    pub(crate) begin_unpatch: unsafe extern "C" fn(*mut c::klp_object),
    /// Every task uses the replacements now.
    pub(crate) end_patch: unsafe extern "C" fn(*mut c::klp_object),
    /// No task uses them any more.
    pub(crate) end_unpatch: unsafe extern "C" fn(*mut c::klp_object),
}

/// What the livepatch core keeps pointers into for as long as the module is loaded.
struct Storage {
    funcs: [c::klp_func; MAX_FUNCS],
    objs: [c::klp_object; 2],
    states: [c::klp_state; 2],
    patch: c::klp_patch,
}

struct Static(UnsafeCell<Option<Storage>>);

// SAFETY: `enable` writes it once, before the livepatch core knows of it; from then on only the core
// uses it, under its own lock.
unsafe impl Sync for Static {}

static STORAGE: Static = Static(UnsafeCell::new(None));

/// Replaces the functions. The switch-over may go on after the return, until every task has left the
/// old functions; [`Callbacks::end_patch`] tells when it is complete.
///
/// # Safety
///
/// Called once, from the module's init. Every replacement has the signature of the function that it
/// replaces, and may be called from wherever that one is.
pub(crate) unsafe fn enable(
    module: &'static ThisModule,
    replacements: &[Replacement],
    callbacks: &Callbacks,
) -> Result {
    // SAFETY: All of these are plain C structures for which zero is the documented start (the core
    // tells the end of the arrays by it, and fills in the rest).
    let mut storage: Storage = unsafe { zeroed() };

    // The last one stays zero: it ends the array.
    if replacements.len() >= MAX_FUNCS {
        return Err(E2BIG);
    }
    for (func, replacement) in storage.funcs.iter_mut().zip(replacements) {
        func.old_name = replacement.name.as_ptr().cast();
        func.new_func = replacement.with.cast_mut();
    }

    // SAFETY: By contract this is the only call, and nobody else looks at the storage yet.
    let storage = unsafe { (*STORAGE.0.get()).insert(storage) };
    let [object, _end] = &mut storage.objs;
    object.name = null(); // The kernel itself, not a module.
    object.funcs = storage.funcs.as_mut_ptr();
    object.callbacks.pre_patch = Some(callbacks.begin_patch);
    object.callbacks.pre_unpatch = Some(callbacks.begin_unpatch);
    object.callbacks.post_patch = Some(callbacks.end_patch);
    object.callbacks.post_unpatch = Some(callbacks.end_unpatch);
    storage.patch.mod_ = module.as_ptr();
    storage.patch.objs = storage.objs.as_mut_ptr();
    let [state, _end] = &mut storage.states;
    state.id = STATE;
    state.version = 1;
    storage.patch.states = storage.states.as_mut_ptr();

    // SAFETY: The structure is static and complete, and this is the init of the module in it.
    to_result(unsafe { c::klp_enable_patch(&mut storage.patch) })
}
