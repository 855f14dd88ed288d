//! What this module keeps for an image, attached to the image itself by a shadow variable of the
//! livepatch core (`Documentation/livepatch/shadow-vars.rst`).

use core::ptr::addr_of_mut;

use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Relaxed, Release};

use super::{loaded, ImageView, Kimage};
use crate::sys::bindings::kernel as c;
use crate::sys::kexec_lock::KexecLock;

/// The number under which the variables are found; any will do that no other patch uses.
const ID: c_ulong = 0x726b_6578_6563;

/// How many images have something attached that is not all freed: a transition would have to wait for
/// the task that frees it. It grows under the kexec lock only.
static ATTACHED: Atomic<isize> = Atomic::new(0);

/// Whether nothing is attached but to loaded images: none is being freed by another task, nor is to be.
/// As long as nobody else has the lock, that remains so.
pub(crate) fn only_loaded_are_left(lock: &KexecLock) -> bool {
    let loaded = loaded(lock).filter(|(_, image)| has_any(image)).count() as isize;
    ATTACHED.load(Acquire) == loaded
}

/// Whether anything is attached to the image.
fn has_any(image: &ImageView) -> bool {
    // SAFETY: The function looks for the pointer, and not behind it.
    !unsafe { c::klp_shadow_get(image.as_ptr(), ID) }.is_null()
}

/// Attaches `value`.
pub(crate) fn attach<T>(image: &mut Kimage<'_>, value: KBox<T>) -> Result {
    let mut value = KBox::into_raw(value);
    // SAFETY: The image is live. The new variable has the size of the pointer, which is
    // copied to it.
    let shadow = unsafe {
        c::klp_shadow_alloc(
            addr_of_mut!(*image.0).cast(),
            ID,
            size_of_val(&value),
            bindings::GFP_KERNEL,
            Some(copy_pointer),
            addr_of_mut!(value).cast(),
        )
    };
    if shadow.is_null() {
        // SAFETY: The pointer came from `into_raw` above and went nowhere.
        drop(unsafe { KBox::from_raw(value) });
        return Err(ENOMEM);
    }
    ATTACHED.fetch_add(1, Relaxed);
    Ok(())
}

unsafe extern "C" fn copy_pointer(
    _image: *mut c_void,
    shadow: *mut c_void,
    value: *mut c_void,
) -> c_int {
    // SAFETY: `attach` passes a pointer to a pointer, and asked for as much room.
    unsafe { *shadow.cast::<*mut c_void>() = *value.cast::<*mut c_void>() };
    0
}

/// What is attached to the image, if anything.
///
/// # Safety
///
/// Nobody else uses what is attached to it during `'a`. Only values of type `T` are ever attached.
pub(crate) unsafe fn get<'a, T>(image: &'a ImageView) -> Option<&'a mut T> {
    // SAFETY: The variable holds what `attach` put there, by contract a pointer to a `T`.
    unsafe {
        let shadow = c::klp_shadow_get(image.as_ptr(), ID);
        shadow.cast::<*mut T>().as_ref().map(|value| &mut **value)
    }
}

/// Frees what is attached to the image, and returns whether there was anything. It counts as attached
/// until all of it is freed.
///
/// # Safety
///
/// As for [`get`].
pub(crate) unsafe fn free<T>(image: &mut Kimage<'_>) -> bool {
    // SAFETY: As for `get`. The variable goes, so the pointer in it is given back only once.
    let value = unsafe {
        let shadow = c::klp_shadow_get(image.as_ptr(), ID);
        let Some(&value) = shadow.cast::<*mut T>().as_ref() else {
            return false;
        };
        c::klp_shadow_free(image.as_ptr(), ID, None);
        KBox::from_raw(value)
    };
    drop(value);
    ATTACHED.fetch_add(-1, Release);
    true
}
