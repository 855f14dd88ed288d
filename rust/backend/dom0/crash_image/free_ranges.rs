//! Free places in the crash area.

use kernel::prelude::*;

use crate::backend::error::LoadError;
use crate::pure::addr::PAGE_SIZE;
use crate::pure::crash_area;
use crate::pure::mem_hole;
use crate::pure::range::MaRange;
use crate::sys::kimage::Kimage;

/// The area, and what is taken of it.
pub(super) struct FreeRanges {
    area: MaRange,
    taken: KVec<MaRange>,
}

impl FreeRanges {
    /// The places that the image's own segments leave.
    pub(super) fn new(area: MaRange, kimage: &Kimage<'_>) -> Result<Self, LoadError> {
        let taken = kimage
            .destinations()
            .map_err(|e| LoadError::Kernel("looking at the segments", e))?;
        Ok(Self { area, taken })
    }

    /// The crash area.
    pub(super) fn area(&self) -> MaRange {
        self.area
    }

    /// Where segment `index` is.
    pub(super) fn of_segment(&self, index: usize) -> Result<MaRange, LoadError> {
        let range = self.taken.get(index).copied();
        range.ok_or(LoadError::Kernel("looking for a segment", EIO))
    }

    /// The lowest place for `bytes` bytes, rounded up to whole pages. From here on it is taken.
    pub(super) fn find(&mut self, bytes: u64) -> Result<MaRange, LoadError> {
        // Never `None`: nobody asks for so much.
        let bytes = bytes.checked_next_multiple_of(PAGE_SIZE).unwrap_or(bytes);
        let place =
            mem_hole::lowest(bytes, self.area, &self.taken).ok_or(LoadError::CrashAreaFull {
                area: self.area,
                wanted: bytes,
            })?;
        self.taken
            .push(place, GFP_KERNEL)
            .map_err(|_| LoadError::NoMemory("the list of the crash area"))?;
        Ok(place)
    }

    /// Checks that what is left is enough for Xen, which maps all of the image and `others`.
    pub(super) fn check_room_for_xen(&self, others: MaRange) -> Result<(), LoadError> {
        let taken = || self.taken.iter().copied();
        let needed = crash_area::xen_pages(Iterator::chain(taken(), [others]));
        if crash_area::free_pages(self.area, taken()) < needed {
            return Err(LoadError::CrashAreaFull {
                area: self.area,
                wanted: needed.saturating_mul(PAGE_SIZE),
            });
        }
        Ok(())
    }
}
