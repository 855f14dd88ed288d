//! A default image of `kexec_file_load` on bare metal: its data stays in pages of the kernel's until the
//! hand-over pulls it out, as in a dom0.
//!
//! The kernel's purgatory is left out, and so is what the kernel would do before it: to keep the zeros
//! behind the data in pages of their own, hash them, and copy them.

use kernel::prelude::*;

use super::memory::Memory;
use super::{entry_tables, install};
use crate::backend::error::LoadError;
use crate::backend::image::Image;
use crate::backend::in_pages::InPages;
use crate::backend::requested_segments::{file_entry, RequestedSegments};
use crate::sys::kimage::Kimage;
use crate::sys::p2m::Native;

/// Does all of the load. On an error nothing is left of it.
#[inline(never)] // Its stack frame is large enough by itself.
pub(super) fn prepare(kimage: &mut Kimage<'_>, memory: &Memory) -> Result<(), LoadError> {
    let mut image = lay_out(kimage, memory)?;
    for index in 0..kimage.nr_segments() {
        image.load_segment(kimage, index)?;
    }
    let InPages {
        handover, tables, ..
    } = &image.parts;
    let (Some(range), Some(start)) = (handover.range(), handover.entry()) else {
        return Err(LoadError::Kernel("laying out the hand-over", EIO));
    };
    let root = entry_tables::make(kimage, memory, range, tables.block.range())?;
    install(kimage, root)?;

    // Nothing can fail any more.
    KBox::into_inner(image).parts.leave_to(kimage);
    kimage.take_over(start);
    Ok(())
}

/// Checks what is wanted, and finds pages for all of it.
#[inline(never)] // Its stack frame is large enough by itself.
fn lay_out(kimage: &mut Kimage<'_>, memory: &Memory) -> Result<KBox<Image<InPages>>, LoadError> {
    let place = memory.place();
    let regs = file_entry(kimage)?;
    let mut requested = RequestedSegments::of(kimage);
    if let Some(purgatory) = kimage.purgatory() {
        requested.leave_out(purgatory);
    }
    let segments = requested.check(regs.rip, place.ram)?;
    let (pages, input) = InPages::lay_out(&segments, memory, &place, &Native, regs.rsi)?;
    Image::new(segments, &input, pages)
}
