//! Which page keeps which data until the hand-over copies it to its destination.
//!
//! The kernel hands out pages wherever it likes, in the middle of a destination too. The hand-over
//! writes destinations in the order of its list, so a source inside one could be overwritten before
//! it is read. Hence the rule on which everything rests:
//!
//! > A source, a list page, a page table or a page of the hand-over lies in no destination, tails
//! > included. The one exception is data that is at its destination already.
//!
//! And one more, for the hand-over finds all of them by the map of all memory: **they lie in RAM of that
//! map.** The map is Xen's, of the time when the machine started; memory that was added since is in no
//! map, and may be dom0's all the same. A page of it is as good as none.
//!
//! While the rule holds, the order of the copies does not matter. [`Placement`] keeps the rule at no cost
//! in memory but the zero tails: a page that turns up inside a destination becomes the source of
//! exactly the data that belongs there (which then need not be copied), and the page that had this
//! job so far moves on to a slot without one. Xen and the kernel swap pages in the same way when
//! they load an image (`kimage_alloc_page` in both); here the slots are known before the first page
//! is asked for.
//!
//! Pages for lists, tables and hand-over come first ([`Placement::offer_spare`]), the sources after
//! them ([`Placement::offer`]): once the slots are laid out, a list that grew could change them.

use super::addr::{Maddr, Mfn};
use super::range::MaRange;
use super::segment::{Place, Segments};

/// Whether page tables, a list, or the hand-over may be at `range`, by both rules. `ram` is that of
/// the map, in ascending order and without overlaps.
pub fn is_safe(range: MaRange, segments: &Segments, ram: &[MaRange]) -> bool {
    range.is_in(ram) && !segments.overlaps(range)
}

/// A page and the machine frame that is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<T> {
    /// The page, as the kernel names it.
    pub page: T,
    /// Its frame.
    pub frame: Mfn,
}

/// What became of a page that was offered. Whoever offered it owns what is handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a page that is handed back is lost if nobody keeps it"]
pub enum Offer<T> {
    /// It is in a slot, and nothing is left over.
    Placed,
    /// This page is left over: the one that was offered or one that it took the place of. It lies
    /// in no destination, so it may be used for anything or freed.
    Spare(Source<T>),
    /// This page is of no use and must not be freed before the image is unloaded: the kernel would
    /// only hand it out again. It lies in a zero tail, or is frame 0, which the copy list cannot
    /// name.
    Park(Source<T>),
}

/// The slots of an image while they are being filled.
///
/// # Invariants
///
/// `missing` slots are empty, none of them before `next`. A slot's source lies in no destination or
/// is its own, and is not frame 0.
#[derive(Debug)]
pub struct Placement<'a, T> {
    segments: &'a Segments,
    slots: &'a mut [Option<Source<T>>],
    missing: usize,
    next: usize,
}

impl<'a, T: Copy> Placement<'a, T> {
    /// Starts to fill `slots`, one for each of the image's [`Segments::slots`], or goes on where an
    /// earlier placement of the same segments stopped. `None` if the number is another one.
    pub fn new(segments: &'a Segments, slots: &'a mut [Option<Source<T>>]) -> Option<Self> {
        if slots.len() != segments.slots() {
            return None;
        }
        let missing = slots.iter().filter(|slot| slot.is_none()).count();
        Some(Self {
            segments,
            slots,
            missing,
            next: 0,
        })
    }

    /// How many slots are still empty.
    pub const fn missing(&self) -> usize {
        self.missing
    }

    /// Whether every slot has its source.
    pub const fn is_full(&self) -> bool {
        self.missing == 0
    }

    /// Whether `frame` will be overwritten by the hand-over, with data or with zeros.
    pub fn is_destination(&self, frame: Mfn) -> bool {
        self.segments.locate(frame) != Place::Outside
    }

    /// Whether `frame` may hold a list, a table or a part of the hand-over.
    pub fn is_safe(&self, frame: Mfn) -> bool {
        // In a list, address 0 says that there is no source, or no next page.
        frame.start() != Maddr::ZERO && !self.is_destination(frame)
    }

    /// Takes `page`, which is `frame`, as a source for one of the slots.
    ///
    /// A frame must not be offered again unless it has been handed back.
    pub fn offer(&mut self, page: T, frame: Mfn) -> Offer<T> {
        match self.offer_spare(page, frame) {
            Offer::Spare(source) => self.place(source),
            other => other,
        }
    }

    /// Takes `page`, which is `frame`, but only if it lies in a destination; otherwise, or if it
    /// takes the place of a page that does not, hands back one that [is safe](Self::is_safe).
    ///
    /// For pages that are needed for something else than data: offer new ones until one comes back
    /// as [`Offer::Spare`].
    pub fn offer_spare(&mut self, page: T, frame: Mfn) -> Offer<T> {
        let source = Source { page, frame };
        if frame.start() == Maddr::ZERO {
            return Offer::Park(source);
        }
        let slot = match self.segments.locate(frame) {
            Place::Outside => return Offer::Spare(source),
            Place::Tail => return Offer::Park(source),
            Place::Data { slot } => slot,
        };
        // `new` has compared the numbers, so the slot exists.
        let Some(slot) = self.slots.get_mut(slot) else {
            return Offer::Park(source);
        };
        match slot.replace(source) {
            None => {
                self.missing = self.missing.saturating_sub(1);
                Offer::Placed
            }
            // Two pages with one frame: against the rules, but the other must not move on from
            // here to a slot that it does not belong in.
            Some(twin) if twin.frame == frame => Offer::Park(twin),
            Some(displaced) => Offer::Spare(displaced),
        }
    }

    /// Puts `source`, which lies in no destination, in the next empty slot.
    fn place(&mut self, source: Source<T>) -> Offer<T> {
        // A slot that has been filled is never emptied: all before the one found stay behind.
        for slot in self.slots.iter_mut().skip(self.next) {
            self.next = self.next.saturating_add(1);
            if slot.is_none() {
                *slot = Some(source);
                self.missing = self.missing.saturating_sub(1);
                return Offer::Placed;
            }
        }
        Offer::Spare(source)
    }
}
