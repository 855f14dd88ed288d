//! What this module keeps for an image, attached to the image itself by a shadow variable of the
//! livepatch core (`Documentation/livepatch/shadow-vars.rst`).

use core::ptr::addr_of_mut;

use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Relaxed, Release};

use super::{ImageView, Kimage};
use crate::sys::bindings::kernel as c;

/// The number under which the variables are found; any will do that no other patch uses.
const ID: c_ulong = 0x726b_6578_6563;

/// How many images have something attached. It grows under the kexec lock only.
static ATTACHED: Atomic<i32> = Atomic::new(0);

/// Whether no image has anything attached any more.
pub(crate) fn none_is_left() -> bool {
    ATTACHED.load(Acquire) == 0
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

/// Takes off what is attached to the image, if anything.
///
/// # Safety
///
/// As for [`get`].
pub(crate) unsafe fn take<T>(image: &mut Kimage<'_>) -> Option<KBox<T>> {
    // SAFETY: As for `get`. The variable goes, so the pointer in it is given back only once.
    let value = unsafe {
        let shadow = c::klp_shadow_get(image.as_ptr(), ID);
        let value = *shadow.cast::<*mut T>().as_ref()?;
        c::klp_shadow_free(image.as_ptr(), ID, None);
        KBox::from_raw(value)
    };
    ATTACHED.fetch_sub(1, Release);
    Some(value)
}
