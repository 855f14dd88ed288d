//! The images that are loaded: where the kernel has them, and what it is doing with one.

use core::ptr::with_exposed_provenance_mut;

use kernel::sync::atomic::{Atomic, Full, Relaxed};

use super::ImageView;
use crate::sys::bindings::kernel as c;
use crate::sys::hypercall::ImageType;
use crate::sys::kexec_lock::KexecLock;

/// Where the kernel has the image of each kind that is loaded, with its name. It exchanges them as
/// one does here, by atomic operations. As numbers, for before Linux 7.1 the `kernel` crate has no atomic
/// pointers.
fn image_pointers() -> [(&'static str, &'static Atomic<usize>); 2] {
    // SAFETY: They are static and aligned, a pointer is as large as `usize`, and nobody uses them in another
    // way.
    unsafe {
        [
            (
                "default",
                Atomic::from_ptr((&raw mut c::kexec_image).cast()),
            ),
            (
                "crash",
                Atomic::from_ptr((&raw mut c::kexec_crash_image).cast()),
            ),
        ]
    }
}

/// Whether an image of this type is loaded right now (`/sys/kernel/kexec_loaded`, `kexec_crash_loaded`). It stays
/// so as long as nobody else has the kexec lock.
pub(crate) fn is_loaded(kind: ImageType) -> bool {
    let [(_, default), (_, crash)] = image_pointers();
    let pointer = match kind {
        ImageType::Default => default,
        ImageType::Crash => crash,
    };
    pointer.load(Relaxed) != 0
}

/// The images that are loaded, with their names. They stay as long as nobody else has the lock.
pub(crate) fn loaded(_lock: &KexecLock) -> impl Iterator<Item = (&'static str, &ImageView)> {
    image_pointers().into_iter().filter_map(|(name, pointer)| {
        let image = with_exposed_provenance_mut::<c::kimage>(pointer.load(Relaxed));
        // SAFETY: Whoever frees or changes a loaded image has the lock, which is ours for so long.
        (!image.is_null()).then(|| (name, unsafe { ImageView::from_raw(image) }))
    })
}

/// Unloads all images, as the system calls do, and returns whether there was one.
pub(crate) fn unload_all(_lock: &KexecLock) -> bool {
    // Both go before the first is freed, which takes its time.
    let images = image_pointers().map(|(_, pointer)| pointer.xchg(0, Full));
    for image in images {
        // SAFETY: A live image that nobody else refers to any more, for whoever loads, unloads or
        // starts one has the lock; or null, which the function ignores.
        unsafe { c::kimage_free(with_exposed_provenance_mut(image)) };
    }
    images.iter().any(|image| *image != 0)
}

/// Whether a kexec reboot is under way: devices are shut down, and the kernel is on its last CPU.
pub(crate) fn exec_is_in_progress() -> bool {
    // SAFETY: A flag that is set once, before the functions that ask for it are called.
    unsafe { c::kexec_in_progress }
}
