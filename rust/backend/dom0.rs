//! Xen PV dom0: images are forwarded to Xen.
//!
//! These functions take the place of the kernel's (livepatch). Each does what its name says of the
//! one that it replaces, for machine memory instead of dom0's; what they do it with is in
//! [`image::Image`], which is attached to the kernel's record of the image.

mod claims;
mod crash;
mod crash_area;
mod default;
mod extension;
mod handover;
mod image;
mod layout;
mod memory;
mod passage;
mod slot;
mod tables;
mod xen;

use core::fmt;

use kernel::debugfs::Dir;
use kernel::prelude::*;

use super::error::LoadError;
use super::inspect::Tables;
use super::switch;
use crate::pure::xen_abi::Wish;
use crate::sys::bindings::kernel as c;
use crate::sys::crashk_res;
use crate::sys::hypercall::Kind;
use crate::sys::kimage::{self, shadow, ImageId, Kimage};
use crate::sys::livepatch::Replacement;
use crate::sys::log::Shown;
use handover::Blob;
use image::Image;
pub(super) use xen::XenFile;

/// What is replaced.
const REPLACEMENTS: [Replacement; 11] = [
    Replacement {
        name: c"machine_kexec_prepare",
        with: machine_kexec_prepare as *const c_void,
    },
    Replacement {
        name: c"kexec_calculate_store_digests",
        with: kexec_calculate_store_digests as *const c_void,
    },
    Replacement {
        name: c"kimage_load_segment",
        with: kimage_load_segment as *const c_void,
    },
    Replacement {
        name: c"machine_kexec_cleanup",
        with: machine_kexec_cleanup as *const c_void,
    },
    Replacement {
        name: c"machine_shutdown",
        with: machine_shutdown as *const c_void,
    },
    Replacement {
        name: c"machine_kexec",
        with: machine_kexec as *const c_void,
    },
    Replacement {
        name: c"kexec_locate_mem_hole",
        with: crash_area::kexec_locate_mem_hole as *const c_void,
    },
    Replacement {
        name: c"kimage_crash_copy_vmcoreinfo",
        with: crash_area::kimage_crash_copy_vmcoreinfo as *const c_void,
    },
    Replacement {
        name: c"arch_kexec_protect_crashkres",
        with: crash_area::arch_kexec_protect_crashkres as *const c_void,
    },
    Replacement {
        name: c"arch_kexec_unprotect_crashkres",
        with: crash_area::arch_kexec_unprotect_crashkres as *const c_void,
    },
    Replacement {
        name: c"crash_shrink_memory",
        with: crash_area::crash_shrink_memory as *const c_void,
    },
];

/// Takes over if Xen can do what is needed; else says why it cannot. Returns the file that shows
/// what was found, in `dir`.
pub(super) fn start(module: &'static ThisModule, dir: &Dir, wish: Wish) -> Result<XenFile> {
    let found = xen::find(wish).map_err(|why| {
        pr_err!("not loaded: {}\n", Shown(&why));
        EOPNOTSUPP
    })?;
    let Ok(blob) = Blob::get() else {
        pr_err!("not loaded: the hand-over in this module is damaged or of another version\n");
        return Err(EINVAL);
    };
    slot::init();
    crashk_res::find();
    let file = XenFile::new(dir, found)?;
    // SAFETY: This is the module's init. The functions below have the signatures of the kernel's
    // and are called where those are.
    unsafe { switch::start(module, &REPLACEMENTS, switch::Images::Bound(slot::is_empty)) }?;
    pr_info!(
        "kexec is forwarded to Xen {} (kexec interface {}, hand-over of {} KiB)\n",
        Shown(&found.version),
        Shown(&found.used),
        blob.size() >> 10
    );
    Ok(file)
}

unsafe extern "C" fn machine_kexec_prepare(image: *mut c::kimage) -> c_int {
    // SAFETY: The kernel passes the image that it is loading, under the kexec lock.
    let mut kimage = unsafe { Kimage::from_raw(image) };
    match prepare(&mut kimage) {
        Ok(()) => 0,
        Err(e) => e.refuse(),
    }
}

fn prepare(kimage: &mut Kimage<'_>) -> Result<(), LoadError> {
    if kimage.preserves_context() {
        return Err(LoadError::Unsupported(
            "nobody can come back to a dom0 (KEXEC_PRESERVE_CONTEXT)",
        ));
    }
    let no_memory = |_| LoadError::NoMemory("the image");
    let image = KBox::new(Image::prepare(kimage)?, GFP_KERNEL).map_err(no_memory)?;
    shadow::attach(kimage, image).map_err(|_| LoadError::NoMemory("the image"))
}

/// The kernel's own purgatory, which these digests are for, is left out: the hand-over has digests
/// of its own, of the same data. To take both would be most of the time that a load needs.
unsafe extern "C" fn kexec_calculate_store_digests(_image: *mut c::kimage) -> c_int {
    0
}

unsafe extern "C" fn kimage_load_segment(image: *mut c::kimage, idx: c_int) -> c_int {
    // SAFETY: As above. Nothing but images of ours is ever attached to one of the kernel's.
    let (kimage, ours) = unsafe { (Kimage::from_raw(image), shadow::get(image)) };
    match load_segment(&kimage, ours, idx) {
        Ok(()) => 0,
        Err(e) => e.refuse(),
    }
}

fn load_segment(
    kimage: &Kimage<'_>,
    ours: Option<&mut Image>,
    idx: c_int,
) -> Result<(), LoadError> {
    let no_image = LoadError::Kernel("finding the prepared image", EINVAL);
    let (Some(image), Ok(index)) = (ours, usize::try_from(idx)) else {
        return Err(no_image);
    };
    image.load_segment(kimage, index)
}

unsafe extern "C" fn machine_kexec_cleanup(image: *mut c::kimage) {
    // SAFETY: The kernel passes an image that it is about to free, and this only looks at its kind.
    let kind = Kind::of(&unsafe { Kimage::from_raw(image) });
    // Xen must not be left with references to pages that are free, so it comes first.
    slot::clear(kind, ImageId::of(image));
    // SAFETY: Nobody else knows of the image any more. Nothing but images of ours is ever attached.
    drop(unsafe { shadow::take::<Image>(image) });
}

/// For a kexec nothing is to be shut down here: Xen stops the CPUs, of which dom0 has none.
unsafe extern "C" fn machine_shutdown() {
    if kimage::exec_is_in_progress() {
        return;
    }
    // SAFETY: What the function that this one replaces does, and nothing else.
    unsafe {
        if let Some(shutdown) = c::machine_ops.shutdown {
            shutdown();
        }
    }
}

/// Past the point of no return: nothing here allocates. What can still go wrong ends in a restart.
unsafe extern "C" fn machine_kexec(image: *mut c::kimage) {
    // SAFETY: The kernel passes the image that it is starting, under the kexec lock. Nothing but
    // images of ours is ever attached.
    let refusal = match unsafe { shadow::get::<Image>(image) } {
        Some(ours) => ours.exec(ImageId::of(image)),
        None => ENOENT,
    };
    pr_emerg!(
        "Xen does not start the image (error {}): restarting the machine instead\n",
        refusal.to_errno()
    );
    // SAFETY: Everything is shut down for a restart.
    unsafe { c::emergency_restart() };
}

/// Shows the tables of an image, if it is one of ours.
pub(super) fn find_tables(
    image: *mut c::kimage,
    show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
) -> fmt::Result {
    // SAFETY: By contract of `Find` the image is loaded, and the lock is held. Nothing but images
    // of ours is ever attached.
    match unsafe { shadow::get::<Image>(image) } {
        Some(image) => image.show_tables(show),
        None => Ok(()),
    }
}
