//! Bare metal: only the page table that the next kernel is entered with is ours.
//!
//! The kernel's own `machine_kexec_prepare` maps RAM in pages of at least 2 MiB, and with them the
//! holes at its edges. The one here maps what is there; everything else goes on as it does. What
//! it makes are control pages of the image, so the kernel's cleanup frees them, and an image stays
//! good when the module goes.

mod memory;

use core::fmt;

use kernel::prelude::*;

use super::error::LoadError;
use super::inspect::Tables;
use super::switch;
use crate::pure::addr::{Mfn, Pfn};
use crate::pure::identity::{
    alias_table_count, build, link_alias, table_count, Alias, BuildError, Table,
};
use crate::sys::bindings::kernel as c;
use crate::sys::cpu;
use crate::sys::kimage::Kimage;
use crate::sys::livepatch::Replacement;
use crate::sys::log::Shown;
use crate::sys::p2m::{Native, P2m};
use crate::sys::pages::table_at;
use crate::sys::relocate;
use memory::Memory;

/// What is replaced.
const REPLACEMENTS: [Replacement; 1] = [Replacement {
    name: c"machine_kexec_prepare",
    with: machine_kexec_prepare as *const c_void,
}];

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
    // SAFETY: This is the module's init. The function below has the signature of the kernel's and
    // is called where that is.
    unsafe { switch::start(module, &REPLACEMENTS, switch::Images::Free) }?;
    let layout = cpu::layout();
    pr_info!(
        "kexec images get a map of all memory ({} levels, {} pages of 1 GiB)\n",
        layout.levels.number(),
        if layout.gib_pages { "with" } else { "without" }
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
    let layout = cpu::layout();
    let (at, control_page) = kimage
        .control_page()
        .ok_or(LoadError::Kernel("looking for the control page", EIO))?;
    let control_page = frame(control_page)?;

    let nr_map = table_count(runs, layout)?;
    let nr = nr_map.saturating_add(alias_table_count(layout.levels));
    let mut pages = Pages::alloc(kimage, nr)?;
    let (tables, frames) = (&mut pages.tables, &pages.frames);
    let (map, rest) = tables
        .split_at_mut_checked(nr_map)
        .ok_or(BuildError::TooFewTables {
            have: nr,
            need: nr_map,
        })?;
    let root_frame = build(runs, layout, map, |index| frames.get(index).copied())?;
    let root = map.first_mut().ok_or(BuildError::NoFrame { table: 0 })?;
    let alias = Alias {
        at,
        page: control_page,
    };
    link_alias(root, layout.levels, alias, rest, |index| {
        frames.get(nr_map.checked_add(index)?).copied()
    })?;
    kimage.set_page_table(root);
    relocate::install(kimage, root_frame)
        .map_err(|e| LoadError::Kernel("making the control page executable", e))?;
    announce(kimage, nr, root_frame);
    Ok(())
}

/// The machine frame of a page of this kernel.
fn frame(pfn: Pfn) -> Result<Mfn, LoadError> {
    Native
        .to_machine(pfn)
        .ok_or(LoadError::Kernel("looking for a page's frame", EIO))
}

/// Pages of the image that become page tables, and their frames.
struct Pages<'a> {
    tables: KVVec<&'a mut Table>,
    frames: KVVec<Mfn>,
}

impl<'a> Pages<'a> {
    fn alloc(kimage: &mut Kimage<'a>, nr: usize) -> Result<Self, LoadError> {
        let no_memory = || LoadError::NoMemory("the page tables");
        let mut pages = Self {
            tables: KVVec::with_capacity(nr, GFP_KERNEL).map_err(|_| no_memory())?,
            frames: KVVec::with_capacity(nr, GFP_KERNEL).map_err(|_| no_memory())?,
        };
        for _ in 0..nr {
            let (page, pfn) = kimage.alloc_table().ok_or_else(no_memory)?;
            let pushed = (pages.tables.push(page, GFP_KERNEL).is_ok())
                && pages.frames.push(frame(pfn)?, GFP_KERNEL).is_ok();
            if !pushed {
                return Err(no_memory());
            }
        }
        Ok(pages)
    }
}

/// Shows the tables of an image. The kernel's own are like ours, so it need not be of this module.
pub(super) fn find_tables(
    image: *mut c::kimage,
    show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
) -> fmt::Result {
    // SAFETY: By contract of `Find` the image is loaded, and the lock is held.
    let kimage = unsafe { Kimage::from_raw(image) };
    let root = kimage.page_table().and_then(|pfn| Native.to_machine(pfn));
    let at = |mfn| {
        // SAFETY: What is linked in the table of a loaded image are tables, and final.
        unsafe { table_at(Native.to_physical(mfn)?) }
    };
    root.map_or(Ok(()), |root| {
        show(&Tables {
            root,
            levels: cpu::layout().levels,
            at: &at,
        })
    })
}

/// Tells the log what the image will be entered with.
fn announce(kimage: &Kimage<'_>, nr_tables: usize, root: Mfn) {
    let kind = if kimage.is_crash() {
        "crash"
    } else {
        "default"
    };
    pr_info!(
        "{}: {kind} image of {} segments; {nr_tables} page tables, the root at {}\n",
        kimage.call(),
        kimage.nr_segments(),
        Shown(root.start())
    );
}
