//! The page tables of an image, in pages that go with it.

use kernel::prelude::*;

use crate::backend::error::LoadError;
use crate::backend::tables::AllMemory;
use crate::pure::addr::{Mfn, Pfn};
use crate::pure::identity::{
    alias_table_count, build, link_alias, table_count, Alias, BuildError, Finished, Table,
};
use crate::sys::kimage::Kimage;
use crate::sys::p2m::{Native, P2m};
use crate::sys::pages;

/// Builds tables for `image` that map `memory`, and the control page at the address where the kernel has it as
/// well: its code runs there until it has loaded them. They are certified. Returns the frame of the root.
///
/// The kernel frees them with the image, also after an error.
pub(super) fn make(image: &mut Kimage<'_>, memory: &impl AllMemory) -> Result<Mfn, LoadError> {
    let (at, control_page) = image
        .control_page()
        .ok_or(LoadError::Kernel("looking for the control page", EIO))?;
    let alias = Alias {
        at,
        page: frame(control_page)?,
    };
    let paging = memory.paging();
    let mut scratch = memory.scratch()?;
    let runs = memory.runs(&mut scratch)?;
    let nr_map = table_count(runs, paging)?;
    let nr = nr_map.saturating_add(alias_table_count(paging.levels));
    let mut tables = alloc(image, nr)?;
    let (map, rest) = tables
        .split_at_mut_checked(nr_map)
        .ok_or(BuildError::TooFewTables {
            have: nr,
            need: nr_map,
        })?;
    let frame_of = |_, table: &Table| frame(pages::frame_of(table)?).ok();
    let root_frame = build(runs, paging, map, frame_of)?;
    let root = map.first_mut().ok_or(BuildError::NoFrame { table: 0 })?;
    link_alias(root, paging.levels, alias, rest, frame_of)?;
    image.set_page_table(root);
    let finished = Finished {
        root: root_frame,
        paging,
        number: nr,
        alias: Some(alias),
        table_at: |mfn| {
            let mut tables = tables.iter();
            tables
                .find(|table| frame_of(0, table) == Some(mfn))
                .map(|table| &**table)
        },
    };
    finished.certify(|| memory.said())?;
    Ok(root_frame)
}

/// The machine frame of a page of this kernel.
fn frame(pfn: Pfn) -> Result<Mfn, LoadError> {
    Native
        .to_machine(pfn)
        .ok_or(LoadError::Kernel("looking for a page's frame", EIO))
}

/// The largest piece to ask for, as the logarithm of its pages: the kernel complains in the log when
/// it does not find larger ones (`PAGE_ALLOC_COSTLY_ORDER`), as it may on a machine that runs for long.
const MAX_PIECE_ORDER: u32 = 3;

/// So many pages of the image, for tables.
fn alloc<'a>(image: &mut Kimage<'a>, nr: usize) -> Result<KVVec<&'a mut Table>, LoadError> {
    let no_memory = || LoadError::NoMemory("the page tables");
    let mut tables = KVVec::with_capacity(nr, GFP_KERNEL).map_err(|_| no_memory())?;
    while tables.len() < nr {
        // In few pieces, because a call takes its time however many pages it is for; in powers of
        // two, so that no page is too many; and in smaller ones where there are none so large.
        let left = nr.saturating_sub(tables.len());
        let order = left.checked_ilog2().unwrap_or(0).min(MAX_PIECE_ORDER);
        let piece = (0..=order)
            .rev()
            .find_map(|order| image.alloc_pages(order))
            .ok_or_else(no_memory)?;
        for table in piece {
            tables.push(table, GFP_KERNEL).map_err(|_| no_memory())?;
        }
    }
    Ok(tables)
}
