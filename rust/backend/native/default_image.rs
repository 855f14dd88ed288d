//! A default image of `kexec_file_load` on bare metal: its data stays in pages of the kernel's until the
//! hand-over pulls it out, as in a dom0.
//!
//! The kernel's purgatory is left out, and so is what the kernel would do before it: to keep the zeros
//! behind the data in pages of their own, hash them, and copy them.

use kernel::prelude::*;

use super::memory::Memory;
use super::{entry_tables, install};
use crate::abi::handover::Params;
use crate::backend::error::LoadError;
use crate::backend::handover::Handover;
use crate::backend::image::{HandoverInput, Image, Parts};
use crate::backend::image_pages::ImagePages;
use crate::backend::long_load::unreadable;
use crate::backend::requested_segments::{file_entry, RequestedSegments};
use crate::backend::tables::{AllMemory, TableBlock};
use crate::pure::addr::Maddr;
use crate::pure::identity::Table;
use crate::pure::segment::Segments;
use crate::sys::kimage::Kimage;
use crate::sys::pages::Block;
use crate::sys::sha256::Sha256;

/// The parts of an image whose data is in pages of this kernel's.
struct InKernel {
    pages: ImagePages,
    tables: Block,
    handover: Handover,
}

/// Does all of the load. On an error nothing is left of it.
#[inline(never)] // Its stack frame is large enough by itself.
pub(super) fn prepare(kimage: &mut Kimage<'_>, memory: &Memory) -> Result<(), LoadError> {
    let mut image = lay_out(kimage, memory)?;
    for index in 0..kimage.nr_segments() {
        image.load_segment(kimage, index)?;
    }
    let parts = &image.parts;
    let (Some(handover), Some(start)) = (parts.handover.range(), parts.handover.entry()) else {
        return Err(LoadError::Kernel("laying out the hand-over", EIO));
    };
    let root = entry_tables::make(kimage, memory, handover, parts.tables.range())?;
    install(kimage, root)?;

    // Nothing can fail any more.
    let InKernel {
        pages,
        tables,
        handover,
    } = KBox::into_inner(image).parts;
    kimage.keep_block(handover.into_block());
    kimage.keep_block(tables);
    pages.leave_to(kimage);
    kimage.take_over(start);
    Ok(())
}

/// Finds pages for all of it, and builds the map and the copy list.
#[inline(never)] // Its stack frame is large enough by itself.
fn lay_out(kimage: &mut Kimage<'_>, memory: &Memory) -> Result<KBox<Image<InKernel>>, LoadError> {
    let place = memory.place();
    let regs = file_entry(kimage)?;
    let mut requested = RequestedSegments::of(kimage);
    if let Some(purgatory) = kimage.purgatory() {
        requested.leave_out(purgatory);
    }
    let segments = requested.check(regs.rip, place.ram)?;

    let handover = Handover::new(&segments, &place)?;
    let tables = TableBlock::build(memory, &segments, &place)?;
    let pages = ImagePages::new(&segments, place.p2m)?;
    let input = HandoverInput {
        root: tables.root,
        levels: memory.paging().levels,
        tables: tables.verified(),
        list: pages.verified_list(),
        rsi: regs.rsi,
        backup: None,
    };
    let parts = InKernel {
        pages,
        tables: tables.block,
        handover,
    };
    Image::new(segments, &input, parts)
}

impl Parts for InKernel {
    const KIND: &'static str = "";

    /// Copies the data to the pages that keep it.
    fn take(
        &mut self,
        kimage: &Kimage<'_>,
        segments: &Segments,
        index: usize,
        digest: &mut Sha256,
    ) -> Result<(), LoadError> {
        (self.pages).fill(segments, index, digest, |offset, page| {
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
        Ok(self.tables.as_pages())
    }

    fn first_source(&self) -> Option<Maddr> {
        Some(self.pages.first_source())
    }
}
