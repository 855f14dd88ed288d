//! The page tables of the map of all memory, which the hand-over verifies and goes over to.

use kernel::prelude::*;

use super::error::LoadError;
use super::handover::{safe_block, Place};
use super::image::Verified;
use crate::pure::addr::{Maddr, Mfn, PAGE_SIZE};
use crate::pure::identity::{self, Finished, Mark, Origin, Paging, Runs, Sources, Table};
use crate::pure::range::MaRange;
use crate::pure::segment::Segments;
use crate::sys::p2m::P2m;
use crate::sys::pages::Block;
use crate::sys::sha256::Sha256;

/// All that is to be mapped.
pub(super) trait AllMemory {
    /// What is said of it, in no order.
    fn said(&self) -> impl Iterator<Item = (Origin, MaRange)>;

    /// The shape of the tables.
    fn paging(&self) -> Paging;

    /// Memory for [`Self::runs`] to work in.
    fn scratch(&self) -> Result<KVVec<Mark>, LoadError> {
        let nr_marks = Sources::marks_needed(self.said().count());
        KVVec::from_elem(Mark::default(), nr_marks, GFP_KERNEL)
            .map_err(|_| LoadError::NoMemory("the machine's memory map"))
    }

    /// What all that comes to.
    fn runs<'a>(&self, scratch: &'a mut [Mark]) -> Result<Runs<'a>, LoadError> {
        let mut sources = Sources::new(scratch)?;
        for (origin, range) in self.said() {
            sources.add(origin, range)?;
        }
        Ok(sources.runs())
    }
}

/// How many tables the map takes.
pub(super) fn count(memory: &impl AllMemory) -> Result<usize, LoadError> {
    let mut scratch = memory.scratch()?;
    let runs = memory.runs(&mut scratch)?;
    Ok(identity::table_count(runs, memory.paging())?)
}

/// Builds the map in `tables`, which will follow one another from `first` on, and has it certified. Returns the root.
pub(super) fn build(
    memory: &impl AllMemory,
    tables: &mut [Table],
    first: Maddr,
) -> Result<Mfn, LoadError> {
    let mut scratch = memory.scratch()?;
    let runs = memory.runs(&mut scratch)?;
    let paging = memory.paging();
    let frame = |index: usize, _: &Table| {
        let offset = (index as u64).checked_mul(PAGE_SIZE)?;
        Mfn::new(first.checked_add(offset)?)
    };
    let root = identity::build(runs, paging, tables, frame)?;
    let finished = Finished {
        root,
        paging,
        number: identity::table_count(runs, paging)?,
        alias: None,
        table_at: |mfn: Mfn| {
            let offset = mfn.start().checked_offset_from(first)?;
            tables.get((offset / PAGE_SIZE) as usize)
        },
    };
    finished.certify(|| memory.said())?;
    Ok(root)
}

/// The map, in pages of this kernel's that are in one piece.
pub(super) struct TableBlock {
    pub(super) block: Block,
    pub(super) root: Mfn,
    nr_tables: usize,
}

impl TableBlock {
    /// Builds it, where no destination is.
    pub(super) fn build(
        memory: &impl AllMemory,
        segments: &Segments,
        place: &Place<'_, impl P2m>,
    ) -> Result<Self, LoadError> {
        let nr_tables = count(memory)?;
        let mut block = safe_block(nr_tables, segments, place, "the page tables in one piece")?;
        let first = block.range().start();
        let root = build(memory, block.as_pages_mut(), first)?;
        Ok(Self {
            block,
            root,
            nr_tables,
        })
    }

    /// The tables, as the hand-over verifies them.
    pub(super) fn verified(&self) -> Verified {
        let bytes = self.nr_tables.saturating_mul(PAGE_SIZE as usize);
        Verified {
            first: self.block.range().start(),
            nr_pages: self.nr_tables,
            digest: Sha256::digest(self.block.bytes().get(..bytes).unwrap_or_default()),
        }
    }
}
