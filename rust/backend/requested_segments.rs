//! What the caller of the system call asks for, and what is added to that.

use kernel::prelude::*;

use super::error::LoadError;
use crate::pure::range::MaRange;
use crate::pure::requested_segment::{self, RequestedSegment};
use crate::pure::segment::{Segments, MAX_SEGMENTS};
use crate::sys::kimage::{FileEntry, Kimage};

/// Where the next kernel is entered, and where its boot parameters will be.
pub(super) fn file_entry(kimage: &mut Kimage<'_>) -> Result<FileEntry, LoadError> {
    (kimage.file_entry()).map_err(|e| LoadError::Kernel("looking for the kernel's entry point", e))
}

/// Segments that are asked for, in their order.
#[derive(Clone, Copy)]
pub(super) struct RequestedSegments {
    list: [RequestedSegment; MAX_SEGMENTS],
    count: usize,
}

impl RequestedSegments {
    /// Those of an image.
    pub(super) fn of(kimage: &Kimage<'_>) -> Self {
        let count = kimage.nr_segments();
        let mut list = [RequestedSegment::default(); MAX_SEGMENTS];
        for (index, place) in list.iter_mut().enumerate().take(count) {
            *place = kimage.requested_segment(index).unwrap_or_default();
        }
        Self { list, count }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// How many there are that have bytes, and so are more than a number.
    pub(super) fn count_with_bytes(&self) -> usize {
        let segments = self.list.iter().take(self.count);
        segments.filter(|segment| segment.memsz > 0).count()
    }

    /// One more, behind them.
    pub(super) fn add(&mut self, extra: RequestedSegment) -> Result<(), LoadError> {
        *self.list.get_mut(self.count).ok_or(LoadError::Unsupported(
            "all of the image's segments are in use, and the machine's memory map needs one more",
        ))? = extra;
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Without segment `index`, whose number stays.
    pub(super) fn leave_out(&mut self, index: usize) {
        if let Some(segment) = self.list.get_mut(index) {
            (segment.memsz, segment.bufsz) = (0, 0);
        }
    }

    /// Other data for segment `index`, of so many bytes.
    pub(super) fn set_data_bytes(&mut self, index: usize, bytes: usize) {
        if let Some(segment) = self.list.get_mut(index) {
            segment.bufsz = bytes as u64;
        }
    }

    /// Checks them, and the `entry` point, against the memory where they may be. The result is boxed
    /// for the sake of the stack, which is but four pages.
    #[inline(never)]
    pub(super) fn check(
        &self,
        entry: u64,
        memory: &[MaRange],
    ) -> Result<KBox<Segments>, LoadError> {
        let segments = self.list.get(..self.count).unwrap_or_default();
        KBox::new(
            requested_segment::check(segments, entry, memory)?,
            GFP_KERNEL,
        )
        .map_err(|_| LoadError::NoMemory("the image"))
    }
}
