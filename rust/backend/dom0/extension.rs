//! The part of the machine's memory map that does not fit in the next kernel's boot parameters.
//!
//! These have room for 128 entries. What is more goes to memory of its own, which is one more
//! segment of the image: its destination is a piece of dom0's memory that no other destination
//! touches, and that is kept as long as the image.

use kernel::prelude::*;

use super::handover::safe_block;
use super::memory::Mapped;
use crate::backend::error::LoadError;
use crate::pure::addr::{Maddr, PAGE_SIZE};
use crate::pure::boot_params::{self, Room};
use crate::pure::claim::SegmentClaim;
use crate::pure::segment::Segments;
use crate::sys::pages::Block;

/// It.
pub(super) struct Extension {
    place: Block,
    bytes: KVec<u8>,
}

impl Extension {
    /// Memory for a map of so many entries, if that is needed; `segments` are all the others.
    pub(super) fn new(
        entries: usize,
        segments: &Segments,
        mapped: &Mapped<'_>,
    ) -> Result<Option<Self>, LoadError> {
        const WHAT: &str = "the machine's memory map";
        let nr_bytes = boot_params::room_bytes(entries);
        if nr_bytes == 0 {
            return Ok(None);
        }
        let nr_pages = nr_bytes.div_ceil(PAGE_SIZE as usize);
        let place = safe_block(nr_pages, segments, mapped, WHAT)?;
        let bytes =
            KVec::from_elem(0, nr_bytes, GFP_KERNEL).map_err(|_| LoadError::NoMemory(WHAT))?;
        Ok(Some(Self { place, bytes }))
    }

    /// Where the next kernel finds it.
    fn at(&self) -> Maddr {
        self.place.range().start()
    }

    /// It, to be written to.
    pub(super) fn room(&mut self) -> Room<'_> {
        Room {
            at: self.at(),
            bytes: &mut self.bytes,
        }
    }

    /// It, as a segment.
    pub(super) fn claim(&self) -> SegmentClaim {
        SegmentClaim {
            mem: self.at().raw(),
            memsz: self.place.range().len_bytes(),
            bufsz: self.bytes.len() as u64,
        }
    }

    /// Copies what is written there, from byte `offset` on, to `to`; zeros behind its end.
    pub(super) fn read(&self, offset: usize, to: &mut [u8]) {
        to.fill(0);
        let rest = self.bytes.get(offset..).unwrap_or_default();
        for (to, from) in to.iter_mut().zip(rest) {
            *to = *from;
        }
    }
}
