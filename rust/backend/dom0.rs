//! Xen PV dom0: images are forwarded to Xen.
//!
//! These functions take the place of the kernel's (livepatch). Each does what its name says of the
//! one that it replaces, for machine memory instead of dom0's; what they do it with is in
//! [`image::Dom0Image`], which is attached to the kernel's record of the image.

mod boot_params;
mod crash_area;
mod crash_image;
mod default_image;
mod e820_ext;
mod for_xen;
mod image;
mod memory;
mod privcmd;
mod slot;
mod xen;
mod xen_load;

use core::fmt;

use kernel::prelude::*;

use super::blob::Blob;
use super::check_processor;
use super::error::LoadError;
use super::inspect::Tables;
use super::transition;
use crate::pure::xen_abi::Wish;
use crate::sys::acpi;
use crate::sys::bindings::kernel as c;
use crate::sys::cpu;
use crate::sys::crashk_res;
use crate::sys::errno;
use crate::sys::hypercall::{self, ImageType};
use crate::sys::kexec_lock::KexecLock;
use crate::sys::kimage::{self, shadow, ImageView, Kimage};
use crate::sys::livepatch::{replacements, Describe};
use crate::sys::log::Shown;
use crate::sys::parameters;
use image::Dom0Image;
pub(super) use xen::Found;

// What is replaced in the kernel. What is in a module of it: see `privcmd`.
replacements! { in the kernel:
    machine_kexec_prepare => machine_kexec_prepare,
    kexec_calculate_store_digests => kexec_calculate_store_digests,
    kimage_load_segment => kimage_load_segment,
    machine_kexec_cleanup => machine_kexec_cleanup,
    machine_shutdown => machine_shutdown,
    machine_kexec => machine_kexec,
    kexec_locate_mem_hole => crash_area::kexec_locate_mem_hole,
    kimage_crash_copy_vmcoreinfo => crash_area::kimage_crash_copy_vmcoreinfo,
    arch_kexec_protect_crashkres => crash_area::arch_kexec_protect_crashkres,
    arch_kexec_unprotect_crashkres => crash_area::arch_kexec_unprotect_crashkres,
    crash_shrink_memory => crash_area::crash_shrink_memory,
}

/// Takes over if Xen can do what is needed; else says why it cannot. Returns what was found.
pub(super) fn start(module: &'static ThisModule, wish: Wish) -> Result<&'static Found> {
    let found = xen::find(wish).map_err(|why| {
        pr_err!("not loaded: {}\n", Shown(&why));
        errno::not_supported()
    })?;
    let Ok(blob) = Blob::get() else {
        pr_err!("not loaded: the hand-over in this module is damaged or of another version\n");
        return Err(EINVAL);
    };
    slot::init();
    crashk_res::find();
    acpi::find();
    warn_of_images_in_xen();
    let takes_privcmd = parameters::takes_privcmd();
    let objects: &[&dyn Describe] = match takes_privcmd {
        true => &[&KERNEL, privcmd::object()],
        false => &[&KERNEL],
    };
    // SAFETY: This is the module's init. The functions below may be called where the kernel's are.
    unsafe { transition::start::<transition::Bound>(module, objects) }?;
    pr_info!(
        "kexec is forwarded to Xen {} (kexec interface {}, hand-over of {} KiB)\n",
        Shown(&found.version),
        Shown(&found.used),
        blob.size() >> 10
    );
    if takes_privcmd {
        pr_info!("programs that call Xen for kexec are served by the kernel, too\n");
    }
    Ok(found)
}

/// A program may have had Xen load an image before the kernel served programs.
fn warn_of_images_in_xen() {
    for kind in [ImageType::Default, ImageType::Crash] {
        // It does not always tell.
        if hypercall::status(kind) == Some(true) {
            pr_warn!("Xen has an image that this kernel has not loaded, and may crash when another one takes its place: modprobe -r rkexec, kexec -u (or -p -u), modprobe rkexec\n");
        }
    }
}

unsafe extern "C" fn machine_kexec_prepare(image: *mut c::kimage) -> c_int {
    // SAFETY: The kernel passes the image that it is loading, under the kexec lock.
    let mut kimage = unsafe { Kimage::from_raw(image) };
    match prepare(&mut kimage) {
        Ok(()) => 0,
        Err(e) => e.refuse(),
    }
}

/// What is attached to every image that has been here, whatever became of it: so whoever frees it knows
/// that it is not one of the kernel's own.
type Record = Option<Dom0Image>;

fn prepare(kimage: &mut Kimage<'_>) -> Result<(), LoadError> {
    const NO_MEMORY: LoadError = LoadError::NoMemory("the image");
    let record = KBox::new(None, GFP_KERNEL).map_err(|_| NO_MEMORY)?;
    shadow::attach::<Record>(kimage, record).map_err(|_| NO_MEMORY)?;
    check_processor()?;
    if kimage.preserves_context() {
        return Err(LoadError::Unsupported(
            "nobody can come back to a dom0 (KEXEC_PRESERVE_CONTEXT)",
        ));
    }
    let image = Dom0Image::prepare(kimage)?;
    // SAFETY: Nobody else knows of the image yet. Nothing but records is ever attached.
    *unsafe { shadow::get::<Record>(kimage) }.ok_or(NO_IMAGE)? = Some(image);
    Ok(())
}

const NO_IMAGE: LoadError = LoadError::Kernel("finding the prepared image", EINVAL);

/// The kernel's own purgatory, which these digests are for, is left out: the hand-over has digests
/// of its own, of the same data. To take both would be most of the time that a load needs.
unsafe extern "C" fn kexec_calculate_store_digests(_image: *mut c::kimage) -> c_int {
    0
}

unsafe extern "C" fn kimage_load_segment(image: *mut c::kimage, idx: c_int) -> c_int {
    // SAFETY: As above.
    let kimage = unsafe { Kimage::from_raw(image) };
    // SAFETY: As above. Nothing but records is ever attached.
    match load_segment(&kimage, unsafe { shadow::get(&kimage) }, idx) {
        Ok(()) => 0,
        Err(e) => e.refuse(),
    }
}

fn load_segment(
    kimage: &Kimage<'_>,
    record: Option<&mut Record>,
    idx: c_int,
) -> Result<(), LoadError> {
    let (Some(Some(image)), Ok(index)) = (record, usize::try_from(idx)) else {
        return Err(NO_IMAGE);
    };
    image.load_segment(kimage, index)
}

/// Before an image is freed. It may be one that the kernel's own `machine_kexec_prepare` has prepared:
/// `kexec_file_load` gives the kexec lock back first and frees the image then, and the module may have
/// come between the two.
unsafe extern "C" fn machine_kexec_cleanup(image: *mut c::kimage) {
    // SAFETY: The kernel passes an image that it is about to free, of which nobody else knows any
    // more.
    let mut kimage = unsafe { Kimage::from_raw(image) };
    // Xen must not be left with references to pages that are free, so it comes first.
    slot::clear(ImageType::of(&kimage), kimage.id());
    // SAFETY: As above. Nothing but records is ever attached.
    let is_ours = unsafe { shadow::free::<Record>(&mut kimage) };
    if !is_ours {
        kimage.undo_own_prepare();
    }
}

/// Devices are shut down: nobody may start anything with them any more. The machine's processors and
/// interrupt controllers are Xen's to shut down.
unsafe extern "C" fn machine_shutdown() {
    if kimage::exec_is_in_progress() {
        if !cpu::stop_others() {
            pr_warn!("not all of dom0's processors have stopped: Xen stops them\n");
        }
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
    // SAFETY: The kernel passes the image that it is starting, under the kexec lock.
    let kimage = unsafe { Kimage::from_raw(image) };
    // SAFETY: As above. Nothing but records is ever attached.
    let refusal = match unsafe { shadow::get::<Record>(&kimage) } {
        Some(Some(ours)) => ours.exec(kimage.id()),
        _ => ENOENT,
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
    _lock: &KexecLock,
    image: &ImageView,
    show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
) -> fmt::Result {
    // SAFETY: The image is loaded, and whoever uses what is attached has the lock, which is ours.
    // Nothing but records is ever attached.
    match unsafe { shadow::get::<Record>(image) } {
        Some(Some(image)) => image.show_tables(show),
        _ => Ok(()),
    }
}
