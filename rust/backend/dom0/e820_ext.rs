//! The part of the machine's memory map that does not fit in the next kernel's boot parameters
//! (`SETUP_E820_EXT`).
//!
//! These have room for 128 entries. What is more goes to memory of its own, which is one more
//! segment of the image, behind all others.

use kernel::prelude::*;

use crate::backend::error::LoadError;
use crate::pure::boot_params::{self, E820ExtRoom};
use crate::pure::range::MaRange;
use crate::pure::requested_segment::RequestedSegment;
use crate::sys::buffer::Buffer;

/// It, until it goes to its place. `P` is what keeps the place free.
pub(super) struct E820Ext<P> {
    #[expect(dead_code, reason = "kept for its drop")]
    place: P,
    range: MaRange,
    bytes: Buffer,
}

impl<P> E820Ext<P> {
    /// Memory for a map of so many entries, if that is needed. `find` finds a place for so many bytes
    /// in the machine.
    pub(super) fn new(
        entries: usize,
        find: impl FnOnce(usize) -> Result<(P, MaRange), LoadError>,
    ) -> Result<Option<Self>, LoadError> {
        let nr_bytes = boot_params::e820_ext_bytes(entries);
        if nr_bytes == 0 {
            return Ok(None);
        }
        let (place, range) = find(nr_bytes)?;
        let bytes =
            Buffer::alloc(nr_bytes).ok_or(LoadError::NoMemory("the machine's memory map"))?;
        Ok(Some(Self {
            place,
            range,
            bytes,
        }))
    }

    /// It, to be written to.
    pub(super) fn room(&mut self) -> E820ExtRoom<'_> {
        E820ExtRoom {
            at: self.range.start(),
            bytes: self.bytes.bytes_mut(),
        }
    }

    /// It, as a segment.
    pub(super) fn segment(&self) -> RequestedSegment {
        RequestedSegment {
            mem: self.range.start().raw(),
            memsz: self.range.len_bytes(),
            bufsz: self.bytes.bytes().len() as u64,
        }
    }

    /// Copies what is written there, from byte `offset` on, to `to`; zeros behind its end.
    pub(super) fn read(&self, offset: usize, to: &mut [u8]) {
        to.fill(0);
        let rest = self.bytes.bytes().get(offset..).unwrap_or_default();
        for (to, from) in to.iter_mut().zip(rest) {
            *to = *from;
        }
    }
}

impl E820Ext<()> {
    /// What is written there.
    pub(super) fn into_bytes(self) -> Buffer {
        self.bytes
    }
}
