//! Ranges of bytes in one address space.

use core::fmt;

use super::addr::{Addr, Machine, Pseudo, Space};

/// The bytes from `start` up to, not including, `end`. Never reversed; may be empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range<S: Space> {
    start: Addr<S>,
    end: Addr<S>,
}

/// A range of machine addresses.
pub type MaRange = Range<Machine>;
/// A range of what the running kernel calls physical addresses.
pub type PaRange = Range<Pseudo>;

impl<S: Space> Range<S> {
    /// The range between two addresses, or `None` if they are reversed.
    pub const fn new(start: Addr<S>, end: Addr<S>) -> Option<Self> {
        if start.raw() > end.raw() {
            return None;
        }
        Some(Self { start, end })
    }

    /// `bytes` bytes from `start`, or `None` past the end of the address space.
    pub const fn from_len(start: Addr<S>, bytes: u64) -> Option<Self> {
        match start.checked_add(bytes) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// No bytes, at `addr`.
    pub const fn empty_at(addr: Addr<S>) -> Self {
        Self {
            start: addr,
            end: addr,
        }
    }

    /// The first byte.
    pub const fn start(self) -> Addr<S> {
        self.start
    }

    /// The first byte past the range.
    pub const fn end(self) -> Addr<S> {
        self.end
    }

    /// The length in bytes.
    pub const fn len_bytes(self) -> u64 {
        self.end.raw().wrapping_sub(self.start.raw()) // `new` keeps them in order.
    }

    /// Whether there is no byte in the range.
    pub const fn is_empty(self) -> bool {
        self.start.raw() == self.end.raw()
    }

    /// Whether `addr` is a byte of the range.
    pub const fn contains(self, addr: Addr<S>) -> bool {
        self.start.raw() <= addr.raw() && addr.raw() < self.end.raw()
    }

    /// Whether every byte of `other` is in this range.
    pub const fn covers(self, other: Self) -> bool {
        other.is_empty()
            || (self.start.raw() <= other.start.raw() && other.end.raw() <= self.end.raw())
    }

    /// Whether the two ranges have a byte in common.
    pub const fn overlaps(self, other: Self) -> bool {
        !self.is_empty()
            && !other.is_empty()
            && self.start.raw() < other.end.raw()
            && other.start.raw() < self.end.raw()
    }

    /// Whether every byte of this range is in one of `ranges`, which are in ascending order and do not
    /// overlap. (If they are not, a range that is in one may be taken for one that is in none.)
    pub fn is_in(self, ranges: &[Self]) -> bool {
        let first = ranges.partition_point(|range| range.end.raw() <= self.start.raw());
        self.is_empty() || ranges.get(first).is_some_and(|range| range.covers(self))
    }

    /// The whole pages of `align` bytes (a power of two) inside the range: it shrinks to them.
    pub const fn round_in(self, align: u64) -> Self {
        let end = self.end.align_down(align);
        match self.start.align_up(align) {
            Some(start) if start.raw() <= end.raw() => Self { start, end },
            _ => Self { start: end, end },
        }
    }

    /// The pages of `align` bytes (a power of two, at most the whole address space) that the range touches:
    /// it grows to them. An empty range touches none and stays as it is.
    pub const fn round_out(self, align: u64) -> Self {
        if self.is_empty() {
            return self;
        }
        let end = match self.end.align_up(align) {
            Some(end) => end,
            // The end of the address space is a multiple of every such size.
            None => Addr::END,
        };
        Self {
            start: self.start.align_down(align),
            end,
        }
    }
}

impl<S: Space> fmt::Display for Range<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

impl<S: Space> fmt::Debug for Range<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
