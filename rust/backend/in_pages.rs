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
use super::image::HandoverInput;
use super::image_pages::ImagePages;
use super::tables::{AllMemory, TableBlock};
use crate::pure::segment::Segments;
use crate::sys::kimage::Kimage;
use crate::sys::p2m::P2m;

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
