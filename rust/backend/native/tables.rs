//! The page tables of an image, in pages that go with it.

use kernel::prelude::*;

use crate::backend::error::LoadError;
use crate::pure::addr::{Mfn, Pfn};
use crate::pure::identity::{
    alias_table_count, build, link_alias, table_count, Alias, BuildError, Layout, Runs, Table,
};
use crate::sys::kimage::Kimage;
use crate::sys::p2m::{Native, P2m};

/// Tables that are complete, and that the image's kernel leaves to it.
pub(super) struct Built {
    /// The frame of the root.
    pub(super) root: Mfn,
    /// How many tables there are.
    pub(super) nr: usize,
}

/// Builds tables of the shape `layout` for `image`, that map `runs`, and the control page at the
/// address where the kernel has it as well: its code runs there until it has loaded them.
///
/// The kernel frees them with the image, also after an error.
pub(super) fn make(
    image: &mut Kimage<'_>,
    runs: Runs<'_>,
    layout: Layout,
) -> Result<Built, LoadError> {
    let (at, control_page) = image
        .control_page()
        .ok_or(LoadError::Kernel("looking for the control page", EIO))?;
    let alias = Alias {
        at,
        page: frame(control_page)?,
    };
    let nr_map = table_count(runs, layout)?;
    let nr = nr_map.saturating_add(alias_table_count(layout.levels));
    let mut pages = Pages::alloc(image, nr)?;
    let (map, rest) =
        pages
            .tables
            .split_at_mut_checked(nr_map)
            .ok_or(BuildError::TooFewTables {
                have: nr,
                need: nr_map,
            })?;
    let frames = &pages.frames;
    let root_frame = build(runs, layout, map, |index| frames.get(index).copied())?;
    let root = map.first_mut().ok_or(BuildError::NoFrame { table: 0 })?;
    link_alias(root, layout.levels, alias, rest, |index| {
        frames.get(nr_map.checked_add(index)?).copied()
    })?;
    image.set_page_table(root);
    Ok(Built {
        root: root_frame,
        nr,
    })
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
    fn alloc(image: &mut Kimage<'a>, nr: usize) -> Result<Self, LoadError> {
        let no_memory = || LoadError::NoMemory("the page tables");
        let mut pages = Self {
            tables: KVVec::with_capacity(nr, GFP_KERNEL).map_err(|_| no_memory())?,
            frames: KVVec::with_capacity(nr, GFP_KERNEL).map_err(|_| no_memory())?,
        };
        while pages.tables.len() < nr {
            let left = nr.saturating_sub(pages.tables.len());
            pages.add_piece(image, left.checked_ilog2().unwrap_or(0))?;
        }
        Ok(pages)
    }

    /// Adds pages in one piece: `1 << order` of them or, if there is no such piece, fewer. A call
    /// takes its time however many pages it is for, and this way no page is too many.
    fn add_piece(&mut self, image: &mut Kimage<'a>, order: u32) -> Result<(), LoadError> {
        let no_memory = LoadError::NoMemory("the page tables");
        let piece = (0..=order)
            .rev()
            .find_map(|order| image.alloc_tables(order));
        let Some((tables, mut pfn)) = piece else {
            return Err(no_memory);
        };
        for table in tables {
            let pushed = (self.tables.push(table, GFP_KERNEL).is_ok())
                && self.frames.push(frame(pfn)?, GFP_KERNEL).is_ok();
            if !pushed {
                return Err(no_memory);
            }
            pfn = pfn.next().unwrap_or(pfn);
        }
        Ok(())
    }
}
