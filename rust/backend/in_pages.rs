//! A default image's data in pages of this kernel's, from where the hand-over pulls it out.
//!
//! All that the hand-over needs is found by machine address: its parameters name the page tables and the
//! copy list, the list names the pages with the data. Tables, list and data are verified by it before it
//! relies on them.
//!
//! The order of the layout matters: hand-over, tables and list first, then the sources, because a
//! source may turn out to be in place already but a list must never be in a destination.

use kernel::prelude::*;

use super::error::LoadError;
use super::handover::{Handover, Place};
use super::image::{HandoverInput, Parts};
use super::image_pages::ImagePages;
use super::long_load::unreadable;
use super::tables::{AllMemory, TableBlock};
use crate::abi::handover::Params;
use crate::pure::addr::Maddr;
use crate::pure::identity::Table;
use crate::pure::segment::Segments;
use crate::sys::kimage::Kimage;
use crate::sys::p2m::P2m;
use crate::sys::sha256::Sha256;

/// The pages of an image.
pub(super) struct InPages {
    /// What keeps the data, and the copy list.
    pub(super) image: ImagePages,
    /// The map of all memory.
    pub(super) tables: TableBlock,
    /// The hand-over.
    pub(super) handover: Handover,
}

impl InPages {
    /// Finds pages for all of it, and builds the map and the copy list. Whatever has to be in one piece is
    /// found in `place`, single pages by `p2m`. The next kernel gets `rsi`.
    pub(super) fn lay_out(
        segments: &Segments,
        memory: &impl AllMemory,
        place: &Place<'_, impl P2m>,
        p2m: &impl P2m,
        rsi: u64,
    ) -> Result<(Self, HandoverInput), LoadError> {
        let handover = Handover::new(segments, place)?;
        let tables = TableBlock::build(memory, segments, place)?;
        let image = ImagePages::new(segments, p2m)?;
        let input = HandoverInput {
            root: tables.root,
            levels: memory.paging().levels,
            tables: tables.verified(),
            list: image.verified_list(),
            rsi,
            backup: None,
        };
        let pages = Self {
            image,
            tables,
            handover,
        };
        Ok((pages, input))
    }

    /// Leaves them to the kernel, which frees them with the image.
    pub(super) fn leave_to(self, kimage: &mut Kimage<'_>) {
        kimage.keep_block(self.handover.into_block());
        kimage.keep_block(self.tables.block);
        self.image.leave_to(kimage);
    }
}

impl Parts for InPages {
    const KIND: &'static str = "";

    /// Copies the data to the pages that keep it.
    fn take(
        &mut self,
        kimage: &Kimage<'_>,
        segments: &Segments,
        index: usize,
        digest: &mut Sha256,
    ) -> Result<(), LoadError> {
        (self.image).fill(segments, index, digest, |offset, page| {
            (kimage.read(index, offset, page)).map_err(|_| unreadable(index))
        })
    }

    fn write_handover(&mut self, params: &Params) -> Result<(), LoadError> {
        self.handover.write(params)
    }

    fn handover(&self) -> Maddr {
        self.handover.start()
    }

    fn tables(&self) -> Result<&[Table], LoadError> {
        Ok(self.tables.block.as_pages())
    }

    fn first_source(&self) -> Option<Maddr> {
        Some(self.image.first_source())
    }
}
