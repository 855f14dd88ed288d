//! What is to be where when the next kernel starts: checked segments and their data pages.
//!
//! A [`Segment`] is a run of whole machine pages. Its first pages hold data, the others (the
//! *tail*: bss and the like) are to be zero. The *data pages* of an image are numbered from 0 in the
//! order of the segments: `placement` finds each one a *source*, a page to keep the data in until the
//! hand-over, and `copylist` says how it gets to its place.
//!
//! [`Segments`] cannot be made other than by `requested_segment::check`, so whoever has one need not
//! check again.

use core::iter::Flatten;
use core::ops::Range;
use core::slice;

use super::addr::{Maddr, Mfn, PAGE_SIZE};
use super::range::MaRange;

/// The most segments that an image may have (`KEXEC_SEGMENT_MAX`, `linux/kexec.h`).
pub const MAX_SEGMENTS: usize = 16;

// Page numbers, at most 2^40, are used as indices.
const _: () = assert!(usize::BITS == 64);

/// The whole pages of one destination.
///
/// # Invariants
///
/// All ranges are page aligned; `data` and `tail` cut `dst` in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    dst: MaRange,
    data: MaRange,
    tail: MaRange,
    data_bytes: u64,
}

impl Segment {
    /// A segment at `dst` that begins with `data_bytes` bytes of data; `None` unless `dst` is whole
    /// pages and holds the data.
    pub(super) fn new(dst: MaRange, data_bytes: u64) -> Option<Self> {
        if !dst.start().is_aligned(PAGE_SIZE)
            || !dst.end().is_aligned(PAGE_SIZE)
            || data_bytes > dst.len_bytes()
        {
            return None;
        }
        // Aligned up the data still fits, for the destination ends on a page.
        let data = MaRange::from_len(dst.start(), data_bytes.checked_next_multiple_of(PAGE_SIZE)?)?;
        let tail = MaRange::new(data.end(), dst.end())?;
        Some(Self {
            dst,
            data,
            tail,
            data_bytes,
        })
    }

    /// The whole destination: [`data`](Self::data), then [`tail`](Self::tail). May be empty.
    pub const fn dst(&self) -> MaRange {
        self.dst
    }

    /// The pages that get data. The last one is filled up with zeros and counts as a whole.
    pub const fn data(&self) -> MaRange {
        self.data
    }

    /// The pages that get zeros only. May be empty.
    pub const fn tail(&self) -> MaRange {
        self.tail
    }

    /// The bytes of data, as the caller gave them; not rounded.
    pub const fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// How many pages get data.
    pub const fn data_pages(&self) -> usize {
        pages(self.data)
    }
}

/// The whole pages in `range`.
const fn pages(range: MaRange) -> usize {
    // CAST: both are 64 bits wide, see above.
    (range.len_bytes() / PAGE_SIZE) as usize
}

/// Where a frame lies, seen from an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// In no destination.
    Outside,
    /// It is the destination of this data page.
    Data {
        /// The number of the page.
        page: usize,
    },
    /// It is to be zeroed.
    Tail,
}

/// The segments of one image, in the caller's order.
///
/// # Invariants
///
/// There are 1 to [`MAX_SEGMENTS`]. No two have a byte in common. Every destination is machine RAM.
/// The entry point lies in one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    list: [Option<Segment>; MAX_SEGMENTS],
    entry: Maddr,
}

impl Segments {
    /// The segments in `list`; what the type promises of them is the caller's to check.
    pub(super) const fn new(list: [Option<Segment>; MAX_SEGMENTS], entry: Maddr) -> Self {
        Self { list, entry }
    }

    /// The segments, in the caller's order: the first is segment 0.
    pub fn iter(&self) -> Flatten<slice::Iter<'_, Option<Segment>>> {
        self.list.iter().flatten()
    }

    /// How many segments there are.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// The segment with this number.
    pub fn get(&self, index: usize) -> Option<&Segment> {
        self.list.get(index)?.as_ref()
    }

    /// Where the image is to be entered.
    pub const fn entry(&self) -> Maddr {
        self.entry
    }

    /// How many data pages the image has.
    pub fn nr_data_pages(&self) -> usize {
        // Disjoint, so together at most 2^40 pages.
        self.iter()
            .fold(0, |sum, segment| sum.saturating_add(segment.data_pages()))
    }

    /// The numbers of the data pages of segment `index`.
    pub fn data_pages_of(&self, index: usize) -> Option<Range<usize>> {
        let segment = self.get(index)?;
        let first = self.iter().take(index).fold(0, |sum: usize, before| {
            sum.saturating_add(before.data_pages())
        });
        Some(first..first.saturating_add(segment.data_pages()))
    }

    /// Where `frame` lies. Takes time for each segment, not for each page.
    pub fn locate(&self, frame: Mfn) -> Location {
        let mut first_page: usize = 0;
        for segment in self.iter() {
            if segment.tail.contains(frame.start()) {
                return Location::Tail;
            }
            match frame.start().checked_offset_from(segment.data.start()) {
                Some(offset) if offset < segment.data.len_bytes() => {
                    // CAST: see `pages`.
                    let page = (offset / PAGE_SIZE) as usize;
                    return Location::Data {
                        page: first_page.saturating_add(page),
                    };
                }
                _ => first_page = first_page.saturating_add(segment.data_pages()),
            }
        }
        Location::Outside
    }

    /// Whether a destination has a byte in `range`.
    pub fn overlaps(&self, range: MaRange) -> bool {
        self.iter().any(|segment| segment.dst.overlaps(range))
    }
}
