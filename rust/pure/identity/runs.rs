//! What a page table shall hold: [`Runs`], disjoint and in order.
//!
//! They are kept as a list of [`Mark`]s, the addresses at which something changes, because that
//! list fits into the memory that the unsorted ranges were collected in: `layers.rs` makes the
//! one into the other in place. A mark is one word, so it also sorts fast.

use core::slice;

use super::level::Attr;
use crate::pure::addr::{Addr, Maddr};
use crate::pure::range::{MaRange, Range};

/// An address and a few bits of what happens there. Orders by the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Mark(u64);

/// How far the address is shifted: a 53-bit number, for the end of the address space is one too.
const TAG_BITS: u32 = 5;
const TAG_MASK: u8 = (1 << TAG_BITS) - 1;

impl Mark {
    /// A mark at `at` with the lower five bits of `tag`.
    pub(super) const fn new(at: Maddr, tag: u8) -> Self {
        // CAST: wider.
        Self((at.raw() << TAG_BITS) | (tag & TAG_MASK) as u64)
    }

    /// A mark from which on memory is mapped with `attr`, or not at all.
    pub(super) const fn change(at: Maddr, attr: Option<Attr>) -> Self {
        let tag = match attr {
            None => 0,
            Some(Attr::WriteBack) => 1,
            Some(Attr::Uncached) => 2,
        };
        Self::new(at, tag)
    }

    /// The address.
    pub(super) const fn at(self) -> Maddr {
        match Addr::new(self.0 >> TAG_BITS) {
            Some(at) => at,
            // Never: it was one when it came in.
            None => Maddr::END,
        }
    }

    /// The bits.
    pub(super) const fn tag(self) -> u8 {
        // CAST: the lowest byte has them.
        self.0 as u8 & TAG_MASK
    }

    /// What [`Mark::change`] was told.
    const fn attr(self) -> Option<Attr> {
        match self.tag() {
            1 => Some(Attr::WriteBack),
            2 => Some(Attr::Uncached),
            _ => None,
        }
    }
}

/// A stretch of memory that is mapped in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which memory; whole pages of 4 KiB, never empty.
    pub range: MaRange,
    /// How it is accessed.
    pub attr: Attr,
}

/// Runs in the order of their addresses. They do not overlap, and two that touch differ in their
/// attribute.
#[derive(Clone, Copy, Debug)]
pub struct Runs<'a> {
    changes: &'a [Mark],
}

impl<'a> Runs<'a> {
    /// The runs between these changes: in ascending order, each different from the one before,
    /// the last one to nothing.
    pub(super) const fn between(changes: &'a [Mark]) -> Self {
        Self { changes }
    }

    /// The runs, from the lowest address up.
    pub fn iter(self) -> Iter<'a> {
        Iter {
            pairs: self.changes.windows(2),
        }
    }

    /// Whether there is nothing to map.
    pub const fn is_empty(self) -> bool {
        self.changes.is_empty()
    }

    /// Whether every byte of `range` is in one run. Takes the logarithm of the number of runs.
    pub fn covers(self, range: MaRange) -> bool {
        // The changes up to the start; the last of them says what is there.
        let nr = self
            .changes
            .partition_point(|mark| mark.at() <= range.start());
        let run = nr.checked_sub(1).and_then(|last| self.changes.get(last..));
        range.is_empty()
            || run.is_some_and(|changes| {
                Iter {
                    pairs: changes.windows(2),
                }
                .next()
                .is_some_and(|run| run.range.covers(range))
            })
    }
}

impl<'a> IntoIterator for Runs<'a> {
    type Item = Run;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Goes through [`Runs`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    pairs: slice::Windows<'a, Mark>,
}

impl Iterator for Iter<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        loop {
            let [from, to] = self.pairs.next()? else {
                return None;
            };
            if let Some(attr) = from.attr() {
                let range = Range::new(from.at(), to.at())?;
                return Some(Run { range, attr });
            }
        }
    }
}
