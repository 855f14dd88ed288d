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
//! job so far moves on to a data page without one. Xen and the kernel swap pages in the same way when
//! they load an image (`kimage_alloc_page` in both); here the data pages are known before the first page
//! is asked for.
//!
//! Pages for lists, tables and hand-over come first ([`Placement::offer_spare`]), the sources after
//! them ([`Placement::offer`]): once the sources are known, a list that grew could change them.

use super::addr::{Maddr, Mfn};
use super::range::MaRange;
use super::segment::{Location, Segments};

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
    /// It is a source, and nothing is left over.
    Placed,
    /// This page is left over: the one that was offered or one that it took the place of. It lies
    /// in no destination, so it may be used for anything or freed.
    Spare(Source<T>),
    /// This page is of no use and must not be freed before the image is unloaded: the kernel would
    /// only hand it out again. It lies in a zero tail, or is frame 0, which the copy list cannot
    /// name.
    Park(Source<T>),
}

/// The sources of an image's data pages while they are being found.
///
/// # Invariants
///
/// `missing` data pages have no source, none of them before `next`. A source lies in no destination or
/// in its own, and is not frame 0.
#[derive(Debug)]
pub struct Placement<'a, T> {
    segments: &'a Segments,
    sources: &'a mut [Option<Source<T>>],
    missing: usize,
    next: usize,
}

impl<'a, T: Copy> Placement<'a, T> {
    /// Starts to find `sources`, one for each of the image's [`Segments::nr_data_pages`], or goes on
    /// where an earlier placement of the same segments stopped. `None` if the number is another one.
    pub fn new(segments: &'a Segments, sources: &'a mut [Option<Source<T>>]) -> Option<Self> {
        if sources.len() != segments.nr_data_pages() {
            return None;
        }
        let missing = sources.iter().filter(|source| source.is_none()).count();
        Some(Self {
            segments,
            sources,
            missing,
            next: 0,
        })
    }

    /// How many data pages have no source yet.
    pub const fn missing(&self) -> usize {
        self.missing
    }

    /// Whether every data page has its source.
    pub const fn is_full(&self) -> bool {
        self.missing == 0
    }

    /// Whether `frame` will be overwritten by the hand-over, with data or with zeros.
    pub fn is_destination(&self, frame: Mfn) -> bool {
        self.segments.locate(frame) != Location::Outside
    }

    /// Whether `frame` may hold a list, a table or a part of the hand-over.
    pub fn is_safe(&self, frame: Mfn) -> bool {
        // In a list, address 0 says that there is no source, or no next page.
        frame.start() != Maddr::ZERO && !self.is_destination(frame)
    }

    /// Takes `page`, which is `frame`, as a source for one of the data pages.
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
        let page = match self.segments.locate(frame) {
            Location::Outside => return Offer::Spare(source),
            Location::Tail => return Offer::Park(source),
            Location::Data { page } => page,
        };
        // `new` has compared the numbers, so there is one.
        let Some(place) = self.sources.get_mut(page) else {
            return Offer::Park(source);
        };
        match place.replace(source) {
            None => {
                self.missing = self.missing.saturating_sub(1);
                Offer::Placed
            }
            // Two pages with one frame: against the rules, but the other must not move on from
            // here to data that it does not belong to.
            Some(twin) if twin.frame == frame => Offer::Park(twin),
            Some(displaced) => Offer::Spare(displaced),
        }
    }

    /// Puts `source`, which lies in no destination, where the next one is missing.
    fn place(&mut self, source: Source<T>) -> Offer<T> {
        // A source is never taken away again: all before the one that is missing stay behind.
        for place in self.sources.iter_mut().skip(self.next) {
            self.next = self.next.saturating_add(1);
            if place.is_none() {
                *place = Some(source);
                self.missing = self.missing.saturating_sub(1);
                return Offer::Placed;
            }
        }
        Offer::Spare(source)
    }
}
