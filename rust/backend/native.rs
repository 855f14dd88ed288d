//! Bare metal: only the page table that the next kernel is entered with is ours.
//!
//! The kernel's own `machine_kexec_prepare` maps RAM in pages of at least 2 MiB, and with them the
//! holes at its edges. The one here maps what is there; everything else goes on as it does. What
//! it makes are control pages of the image, so the kernel's cleanup frees them, and an image stays
//! good when the module goes.

mod memory;
mod tables;

use core::fmt;

use kernel::prelude::*;

use super::error::LoadError;
use super::inspect::Tables;
use super::transition;
use crate::sys::acpi;
use crate::sys::bindings::kernel as c;
use crate::sys::cpu;
use crate::sys::kexec_lock::KexecLock;
use crate::sys::kimage::{ImageView, Kimage};
use crate::sys::livepatch::replacements;
use crate::sys::p2m::{Native, P2m};
use crate::sys::pages::table_at;
use crate::sys::relocate;
use memory::Memory;

// What is replaced.
replacements! {
    machine_kexec_prepare => machine_kexec_prepare,
}

/// Takes over if the kernel is one that this module understands; else says why it is not.
pub(super) fn start(module: &'static ThisModule) -> Result {
    if cpu::encrypts_memory() {
        pr_err!("not loaded: this machine encrypts its memory (SME, SEV or TDX), which rkexec cannot do yet\n");
        return Err(EOPNOTSUPP);
    }
    if !relocate::is_known() {
        pr_err!("not loaded: this kernel's relocate_kernel is larger than its control page\n");
        return Err(EOPNOTSUPP);
    }
    acpi::find();
    // SAFETY: This is the module's init. The function below may be called where the kernel's is.
    unsafe { transition::start::<transition::Free, _>(module, &PATCH) }?;
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
    let memory = Memory::query(kimage)?;
    let mut scratch = memory.scratch()?;
    let runs = memory.runs(&mut scratch)?;
    let root = tables::make(kimage, runs, cpu::paging())?;
    // Nothing is said of success: a line on a serial console takes longer than all of the above.
    relocate::install(kimage, root)
        .map_err(|e| LoadError::Kernel("making the control page executable", e))
}

/// Shows the tables of an image. The kernel's own are like ours, so it need not be of this module.
pub(super) fn find_tables(
    _lock: &KexecLock,
    image: &ImageView,
    show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
) -> fmt::Result {
    let root = image.page_table().and_then(|pfn| Native.to_machine(pfn));
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
