//! Bare metal: one function of the kernel's is replaced, `machine_kexec_prepare`.
//!
//! The kernel's own maps RAM in pages of at least 2 MiB, and with them the holes at its edges. The one
//! here maps what is there. An image of `kexec_load` goes on as the kernel has it, into its caller's
//! purgatory. One of `kexec_file_load` is all there when this function is called, so all of the load is
//! done here, and the kernel's own code is left with nothing to hash, to load or to copy: it only goes
//! over to a small page table (`entry_tables`), and to the hand-over.
//!
//! Whatever is made here is the kernel's to free, by what it does with any image. So an image stays good
//! when the module goes, and no load is ever done half by one and half by the other.

mod crash_image;
mod default_image;
mod entry_tables;
mod memory;
mod tables;

use core::fmt;

use kernel::prelude::*;

use super::blob::Blob;
use super::check_processor;
use super::error::LoadError;
use super::inspect::Tables;
use super::requested_segments::file_entry;
use super::transition;
use crate::pure::addr::{Addr, Mfn, PAGE_SIZE};
use crate::pure::range::PaRange;
use crate::pure::{boot_params, requested_segment};
use crate::sys::acpi;
use crate::sys::bindings::kernel as c;
use crate::sys::cpu;
use crate::sys::errno;
use crate::sys::kexec_lock::KexecLock;
use crate::sys::kimage::{ImageView, Kimage};
use crate::sys::livepatch::replacements;
use crate::sys::p2m::{Native, P2m};
use crate::sys::pages::{ram_mut, table_at};
use crate::sys::relocate;
use memory::Memory;

// What is replaced.
replacements! { in the kernel:
    machine_kexec_prepare => machine_kexec_prepare,
}

/// Takes over if the kernel is one that this module understands; else says why it is not.
pub(super) fn start(module: &'static ThisModule) -> Result {
    if cpu::encrypts_memory() {
        pr_err!("not loaded: this machine encrypts its memory (SME, SEV or TDX), which rkexec cannot do yet\n");
        return Err(errno::not_supported());
    }
    if !relocate::is_known() {
        pr_err!("not loaded: this kernel's relocate_kernel is larger than its control page\n");
        return Err(errno::not_supported());
    }
    acpi::find();
    // SAFETY: This is the module's init. The function below may be called where the kernel's is.
    unsafe { transition::start::<transition::Free>(module, &[&KERNEL]) }?;
    let paging = cpu::paging();
    pr_info!(
        "kexec images get a map of all memory ({} levels, {} pages of 1 GiB)\n",
        paging.levels.number(),
        if paging.gib_pages { "with" } else { "without" }
    );
    Ok(())
}

unsafe extern "C" fn machine_kexec_prepare(image: *mut c::kimage) -> c_int {
    // SAFETY: The kernel passes the image that it is loading, under the kexec lock.
    let mut kimage = unsafe { Kimage::from_raw(image) };
    match prepare(&mut kimage) {
        Ok(()) => 0,
        Err(e) => e.refuse(),
    }
}

/// All that the image needs beside its segments. On an error the kernel frees what was allocated.
fn prepare(kimage: &mut Kimage<'_>) -> Result<(), LoadError> {
    check_processor()?;
    if kimage.uses_cma() {
        check_alignment(kimage)?;
    }
    let memory = Memory::query(kimage)?;
    match (is_handed_over(kimage), kimage.is_crash()) {
        (true, false) => default_image::prepare(kimage, &memory),
        (true, true) => crash_image::prepare(kimage, &memory),
        (false, _) => {
            let root = tables::make(kimage, &memory)?;
            install(kimage, root)
        }
    }
}

/// Refuses an image that would be loaded, entered, and lost: where the kernel has memory of CMA (`cma=`), it
/// places segments by a smaller alignment than it was told, and the next kernel moves up into its initrd.
fn check_alignment(kimage: &mut Kimage<'_>) -> Result<(), LoadError> {
    let regs = file_entry(kimage)?;
    let params = kimage.file_data_at(regs.rsi).unwrap_or_default();
    let alignment = boot_params::View::new(params)?.kernel_alignment();
    let requested = (0..kimage.nr_segments()).filter_map(|index| kimage.requested_segment(index));
    match requested_segment::runs_where_it_is_loaded(requested, regs.rip, alignment) {
        true => Ok(()),
        false => Err(LoadError::Unsupported(
            "the kernel has put the next one, in memory of CMA (option cma=), where that may unpack itself \
             over its initrd (KEXEC_FILE_NO_CMA avoids it)",
        )),
    }
}

/// Whether an image gets the hand-over. One of which any is in memory of CMA goes the kernel's own way: that
/// memory is its destination already, and the kernel keeps devices from it until the end. And there are
/// kernels that have more to do with their images than to load them, by what the hand-over makes superfluous.
fn is_handed_over(kimage: &Kimage<'_>) -> bool {
    const KERNEL_WANTS_MORE: bool = cfg!(CONFIG_IMA_KEXEC) || cfg!(CONFIG_KEXEC_HANDOVER);
    kimage.is_file() && !kimage.preserves_context() && !kimage.uses_cma() && !KERNEL_WANTS_MORE
}

/// Puts the kernel's last code in its place; it goes over to the tables below `root`.
fn install(kimage: &Kimage<'_>, root: Mfn) -> Result<(), LoadError> {
    relocate::install(kimage, root)
        .map_err(|e| LoadError::Kernel("making the control page executable", e))
}

/// The root of the tables that the hand-over of an image goes over to.
fn handed_over_root(image: &ImageView) -> Option<Mfn> {
    let first_page = Addr::new(image.entry())?.align_down(PAGE_SIZE);
    let page = Native.to_physical(Mfn::new(first_page)?)?;
    let range = PaRange::from_len(page.start(), PAGE_SIZE)?;
    // SAFETY: One page. It is that of a loaded image, whose hand-over nobody writes to any more.
    Blob::root_in(unsafe { ram_mut(range) }?)
}

/// Shows the tables of an image. The kernel's own are like ours, so it need not be of this module.
pub(super) fn find_tables(
    _lock: &KexecLock,
    image: &ImageView,
    show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
) -> fmt::Result {
    let root = match image.is_taken_over() {
        true => handed_over_root(image),
        false => image.page_table().and_then(|pfn| Native.to_machine(pfn)),
    };
    let at = |mfn| {
        // SAFETY: What is linked in the table of a loaded image are tables, and final.
        unsafe { table_at(Native.to_physical(mfn)?) }
    };
    root.map_or(Ok(()), |root| {
        show(&Tables {
            root,
            levels: cpu::paging().levels,
            at: &at,
        })
    })
}
