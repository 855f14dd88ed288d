//! From ranges as they come to [`Runs`].
//!
//! Ranges come from all sides, in any order, overlapping, unaligned, empty. Each comes with a
//! [`Rule`], and where several cover a byte **the highest decides** (the attributes are those of
//! `rule.rs`):
//!
//! ```text
//!   Device    |                UUUUUU
//!   Named     |                    WWWW           WWWW
//!   Hole      |        ----               --------------
//!   Ram       |  WWWWWWWWWWWWWWWWWWWWWWWWWWWW
//!   ----------+-----------------------------------------
//!   runs      |  WWWWWW    WWWWUUUUUUWWWWW        WWWW
//! ```
//!
//! Ranges that are named grow to whole pages at once. RAM shrinks to whole pages at the very
//! end, when neighbours have been merged and holes have been cut out, so that a page in two
//! entries' halves is still RAM and a page with a byte of a hole in it is not. The growing first
//! and the shrinking last do not get in each other's way: every edge of a named range is a
//! page's edge, which shrinking never moves.

use super::error::{IdentityError, MARKS_PER_RANGE};
use super::level::Attr;
use super::rule::Rule;
use super::runs::{Mark, Runs};
use super::sort::sort;
use crate::pure::addr::{Maddr, PAGE_SIZE};
use crate::pure::range::MaRange;

/// The bit of a [`Mark`]'s tag that tells the start of a range from its end; the others are the
/// number of its rule.
const START: u8 = 1;

/// How many ranges of each rule cover the current byte, by the number of the rule.
struct Depths {
    of: [usize; Rule::NUMBERS],
    /// A bit for each rule that covers it.
    covering: u16,
}

const _: () = assert!(Rule::NUMBERS <= u16::BITS as usize);

impl Depths {
    const NONE: Self = Self {
        of: [0; Rule::NUMBERS],
        covering: 0,
    };

    /// Counts a range that starts or ends.
    fn step(&mut self, mark: Mark) {
        let number = mark.tag() >> 1;
        // CAST: wider.
        if let Some(depth) = self.of.get_mut(number as usize) {
            // A range starts before it ends, and there are fewer of them than bytes of memory.
            *depth = if mark.tag() & START != 0 {
                depth.wrapping_add(1)
            } else {
                depth.wrapping_sub(1)
            };
            let bit = 1u16.wrapping_shl(number.into());
            self.covering = match *depth {
                0 => self.covering & !bit,
                _ => self.covering | bit,
            };
        }
    }

    /// What the highest rule says.
    const fn attr(&self) -> Option<Attr> {
        match self.covering.checked_ilog2() {
            // CAST: below 16.
            Some(number) => Rule::attr_of(number as u8),
            None => None,
        }
    }
}

/// Ranges that are being collected, in memory of the caller's.
#[derive(Debug)]
pub struct Layers<'a> {
    marks: &'a mut [Mark],
    used: usize,
}

impl<'a> Layers<'a> {
    /// Marks that one range takes.
    pub const MARKS_PER_RANGE: usize = MARKS_PER_RANGE;

    /// Nothing yet, and room for half as many ranges as `scratch` has marks. What is in the marks
    /// does not matter.
    pub fn new(scratch: &'a mut [Mark]) -> Self {
        Self {
            marks: scratch,
            used: 0,
        }
    }

    /// Adds a range. An empty one is none.
    ///
    /// # Errors
    ///
    /// [`IdentityError::ScratchFull`] if there is no room for it.
    pub fn add(&mut self, rule: Rule, range: MaRange) -> Result<(), IdentityError> {
        if range.is_empty() {
            return Ok(());
        }
        let range = if rule.grows_to_pages() {
            range.round_out(PAGE_SIZE)
        } else {
            range
        };
        let tag = rule.number() << 1;
        let Some([start, end, ..]) = self.marks.get_mut(self.used..) else {
            return Err(IdentityError::ScratchFull {
                marks: self.marks.len(),
            });
        };
        *start = Mark::new(range.start(), tag | START);
        *end = Mark::new(range.end(), tag);
        self.used = self.used.wrapping_add(Self::MARKS_PER_RANGE); // Never past the slice.
        Ok(())
    }

    /// What comes out. Takes the time that sorting takes.
    pub fn flatten(self) -> Runs<'a> {
        let marks = self.marks.get_mut(..self.used).unwrap_or_default();
        sort(marks);
        let mut out = Changes { marks, used: 0 };
        let mut depths = Depths::NONE;
        let mut from = Maddr::ZERO;
        let mut attr = None;
        let mut read = 0;
        while let Some(&mark) = out.marks.get(read) {
            read = read.wrapping_add(1); // Never past the slice.
            let at = mark.at();
            depths.step(mark);
            // What starts at an address is known when all its marks have been counted.
            let next = out.marks.get(read);
            if next.is_some_and(|next| next.at() == at) || depths.attr() == attr {
                continue;
            }
            if let Some(attr) = attr {
                out.push(from, at, attr);
            }
            (from, attr) = (at, depths.attr());
        }
        out.finish()
    }
}

/// The changes so far, at the front of the marks that have been read.
///
/// They never overtake the reading: a run begins at an address of its own with a mark of its own,
/// and it ends at one that is either the next run's beginning or nobody else's.
struct Changes<'a> {
    marks: &'a mut [Mark],
    used: usize,
}

impl<'a> Changes<'a> {
    /// Adds the whole pages between two addresses that are not below the last run's end.
    fn push(&mut self, from: Maddr, to: Maddr, attr: Attr) {
        let (Some(from), to) = (from.align_up(PAGE_SIZE), to.align_down(PAGE_SIZE)) else {
            return;
        };
        if from >= to {
            return;
        }
        // Where the last run ends at this one's start, that change becomes this one.
        let last = self.used.checked_sub(1);
        let first = last
            .filter(|&last| self.marks.get(last).is_some_and(|mark| mark.at() == from))
            .unwrap_or(self.used);
        if let Some([start, end, ..]) = self.marks.get_mut(first..) {
            *start = Mark::change(from, Some(attr));
            *end = Mark::change(to, None);
            self.used = first.wrapping_add(2); // Never past the slice.
        }
    }

    fn finish(self) -> Runs<'a> {
        let changes: &'a [Mark] = self.marks;
        Runs::between(changes.get(..self.used).unwrap_or_default())
    }
}
