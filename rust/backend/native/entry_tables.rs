//! The page tables that the kernel's last code goes over to before the hand-over begins.
//!
//! They map as little as can be, for the hand-over does not verify them: the page that this code runs in, where it is
//! and where the kernel has it; the hand-over; the tables of the map of all memory, to be verified; and
//! the port that the code would report an exception on. (That video memory is in every map does no harm.)

use kernel::prelude::*;

use super::memory::Memory;
use super::tables;
use crate::backend::error::LoadError;
use crate::backend::tables::AllMemory;
use crate::pure::addr::{Mfn, PAGE_SIZE};
use crate::pure::identity::{Origin, Paging};
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
    let entry = Entry {
        needed: [control_page, handover, all_memory],
        device: memory.device(),
        paging: memory.paging(),
    };
    tables::make(kimage, &entry)
}

/// What they map.
struct Entry {
    needed: [MaRange; 3],
    device: Option<MaRange>,
    paging: Paging,
}

impl AllMemory for Entry {
    fn said(&self) -> impl Iterator<Item = (Origin, MaRange)> {
        let needed = self.needed.iter().map(|range| (Origin::AskedFor, *range));
        let device = self.device.iter().map(|range| (Origin::Device, *range));
        Iterator::chain(needed, device)
    }

    fn paging(&self) -> Paging {
        self.paging
    }
}
