//! Cuts runs into the largest pages that fit.
//!
//! ```text
//!            2M        2M                  1G             1G        2M
//!   run   [..|.........|.......   .........|..............|.........|....]
//!   cut    4K     2M        2M ...   2M           1G           2M     4K
//! ```
//!
//! Every run falls into at most five pieces, each of one page size, however long it is: so the
//! cost of everything that works on [`LeafRun`]s grows with the number of ranges, not with memory.

use core::fmt;

use super::level::Attr;
use super::paging::Paging;
use super::runs::{self, Run, Runs};
use crate::pure::addr::{Addr, Maddr, PageSize, Size1G, Size2M, Size4K};
use crate::pure::range::{MaRange, Range};

/// The size of a page, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeafSize {
    /// 4 KiB, mapped by a page table.
    Kib4,
    /// 2 MiB, mapped by a page directory.
    Mib2,
    /// 1 GiB, mapped by a page-directory-pointer table.
    Gib1,
}

impl LeafSize {
    /// Bytes in such a page.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Kib4 => Size4K::BYTES,
            Self::Mib2 => Size2M::BYTES,
            Self::Gib1 => Size1G::BYTES,
        }
    }
}

/// `4K`, `2M` or `1G`.
impl fmt::Display for LeafSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kib4 => "4K",
            Self::Mib2 => "2M",
            Self::Gib1 => "1G",
        })
    }
}

/// Neighbouring leaves of one size and attribute, as many as there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafRun {
    /// The memory that they map: whole pages of `size`, at least one.
    pub range: MaRange,
    /// The size of each leaf.
    pub size: LeafSize,
    /// How the memory is accessed.
    pub attr: Attr,
}

/// `START END SIZE ATTR`: addresses as in a memory map, END the last byte.
impl fmt::Display for LeafRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.range.start().raw();
        // A run is never empty.
        let last = self.range.end().raw().saturating_sub(1);
        write!(f, "{start:016x} {last:016x} {} {}", self.size, self.attr)
    }
}

/// Below this address pages are small. The fixed-range MTRRs give the first MiB memory types of
/// its own, and a large page across several types is undefined (Intel SDM vol. 3, 12.11.9).
const LARGE_PAGES_FROM: u64 = Size2M::BYTES;

/// The pages of `size` bytes in `range`, or `None` if there is not a single one.
fn whole_pages(range: MaRange, size: LeafSize) -> Option<MaRange> {
    let from = Addr::new(LARGE_PAGES_FROM)?.max(range.start());
    let pages = Range::new(from, range.end())?.round_in(size.bytes());
    (!pages.is_empty()).then_some(pages)
}

/// The leaves that a run begins with.
fn first_leaves(run: Run, paging: Paging) -> LeafRun {
    let start = run.range.start();
    let mib2 = whole_pages(run.range, LeafSize::Mib2);
    let gib1 = if paging.gib_pages {
        whole_pages(run.range, LeafSize::Gib1)
    } else {
        None
    };
    let (end, size) = match (gib1, mib2) {
        (Some(gib1), _) if gib1.start() == start => (gib1.end(), LeafSize::Gib1),
        // Where a page of 1 GiB begins one of 2 MiB could, so the first is not before the second.
        (Some(gib1), Some(mib2)) if mib2.start() == start => (gib1.start(), LeafSize::Mib2),
        (None, Some(mib2)) if mib2.start() == start => (mib2.end(), LeafSize::Mib2),
        (_, Some(mib2)) => (mib2.start(), LeafSize::Kib4),
        (_, None) => (run.range.end(), LeafSize::Kib4),
    };
    LeafRun {
        // Never `None`: a page begins at the start or above it.
        range: Range::new(start, end).unwrap_or(run.range),
        size,
        attr: run.attr,
    }
}

/// The leaves of a table for `runs`, from the lowest address up. Does not look at how many levels
/// there are.
pub fn leaf_runs(runs: Runs<'_>, paging: Paging) -> LeafRuns<'_> {
    LeafRuns {
        runs: runs.iter(),
        rest: None,
        paging,
    }
}

/// Goes through the leaves; see [`leaf_runs`].
#[derive(Clone, Debug)]
pub struct LeafRuns<'a> {
    runs: runs::Iter<'a>,
    /// What is left of the current run; never empty.
    rest: Option<Run>,
    paging: Paging,
}

impl Iterator for LeafRuns<'_> {
    type Item = LeafRun;

    fn next(&mut self) -> Option<LeafRun> {
        let run = match self.rest.take() {
            Some(run) => run,
            None => self.runs.next()?,
        };
        let leaves = first_leaves(run, self.paging);
        self.rest = rest_of(run.range, leaves.range.end()).map(|range| Run { range, ..run });
        Some(leaves)
    }
}

/// What is left of `range` from `from` on, or `None` if nothing is.
pub(super) fn rest_of(range: MaRange, from: Maddr) -> Option<MaRange> {
    Range::new(from, range.end()).filter(|rest| !rest.is_empty())
}
