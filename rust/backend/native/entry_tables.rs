//! The page tables that the kernel's last code goes over to before the hand-over begins.
//!
//! They map as little as can be, for nobody verifies them: the page that this code runs in, where it is
//! and where the kernel has it; the hand-over; the tables of the map of all memory, to be verified; and
//! the port that the code would report an exception on. (That video memory is in every map does no harm.)

use kernel::prelude::*;

use super::memory::Memory;
use super::tables;
use crate::backend::error::LoadError;
use crate::backend::tables::AllMemory;
use crate::pure::addr::{Mfn, PAGE_SIZE};
use crate::pure::identity::{Mark, Sources};
use crate::pure::range::MaRange;
use crate::sys::kimage::Kimage;
use crate::sys::p2m::{Native, P2m};

/// Makes them, in pages of the image. Returns the root.
pub(super) fn make(
    kimage: &mut Kimage<'_>,
    memory: &Memory,
    handover: MaRange,
    all_memory: MaRange,
) -> Result<Mfn, LoadError> {
    let control_page = (kimage.control_page())
        .and_then(|(_, pfn)| Native.to_machine(pfn))
        .and_then(|mfn| MaRange::from_len(mfn.start(), PAGE_SIZE))
        .ok_or(LoadError::Kernel("looking for the control page", EIO))?;
    let mut scratch = [Mark::default(); Sources::marks_needed(4)];
    let mut sources = Sources::new(&mut scratch)?;
    for range in [control_page, handover, all_memory] {
        sources.add_write_back(range)?;
    }
    if let Some(device) = memory.device() {
        sources.add_uncached(device)?;
    }
    tables::make(kimage, sources.runs(), memory.paging())
}
