//! The list that the hand-over works through: what goes where.
//!
//! [`CopyList`] takes the sources that `placement` has found, makes sure once more that they keep
//! its rule, and then yields [`Run`]s in the order of the segments: a segment's data, then its
//! tail. Neighbouring pages become one run when they are neighbours at both ends. Data that is in
//! place already is on the list too, because the hand-over verifies all that has a source.
//!
//! [`ListWriter`] turns the runs in to the pages of `abi::handover`. These have to be reserved
//! before the sources are found, when nobody knows yet how well the runs will merge;
//! [`list_pages_bound`] says how many are enough in any case.

use core::fmt;
use core::iter::{Flatten, Peekable};
use core::slice;

use super::addr::{Maddr, Mfn, PAGE_SIZE};
use super::placement::Source;
use super::range::MaRange;
use super::segment::{Location, Segment, Segments, MAX_SEGMENTS};
use crate::abi::handover::{CopyListPage, Entry, ENTRIES_PER_PAGE, ZERO_FILL};

/// How many list pages `runs` runs take. An empty list takes a page as well.
pub const fn list_pages_needed(runs: usize) -> usize {
    let pages = runs.div_ceil(ENTRIES_PER_PAGE);
    if pages == 0 {
        return 1;
    }
    pages
}

/// How many list pages are enough for an image, wherever its sources will be.
pub fn list_pages_bound(segments: &Segments) -> usize {
    let tails = segments.iter().filter(|s| !s.tail().is_empty()).count();
    list_pages_needed(segments.nr_data_pages().saturating_add(tails))
}

/// Writes the list of an image whose data is in place already: the hand-over verifies it, and zeroes
/// the tails.
pub fn write_in_place(segments: &Segments, page: &mut CopyListPage) {
    const { assert!(2 * MAX_SEGMENTS <= ENTRIES_PER_PAGE) };
    page.next = 0;
    page.nr = 0;
    page.entries.fill(Entry::default());
    let runs = segments.iter().flat_map(|segment| {
        let (data, tail) = (segment.data(), segment.tail());
        let data = Run {
            dst: data,
            src: Some(data.start()),
        };
        let tail = Run {
            dst: tail,
            src: None,
        };
        [data, tail].into_iter().filter(|run| !run.dst.is_empty())
    });
    for (place, run) in page.entries.iter_mut().zip(runs) {
        *place = run.entry();
        page.nr = page.nr.saturating_add(1);
    }
}

/// Consecutive pages that get the same treatment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where they are. Whole pages, at least one.
    pub dst: MaRange,
    /// Where their data is now, likewise consecutive; equal to the start of `dst` if it is in
    /// place. `None` if they are to be zeroed.
    pub src: Option<Maddr>,
}

impl Run {
    /// The run as the hand-over reads it.
    pub const fn entry(&self) -> Entry {
        Entry {
            dst: self.dst.start().raw(),
            src: match self.src {
                Some(src) => src.raw(),
                None => ZERO_FILL,
            },
            len: self.dst.len_bytes(),
        }
    }

    /// This run and `next` as one, if `next` carries on where this one ends.
    fn join(self, next: Self) -> Option<Self> {
        if self.dst.end() != next.dst.start() {
            return None;
        }
        let src = match (self.src, next.src) {
            (None, None) => None,
            (Some(src), Some(then)) if src.checked_add(self.dst.len_bytes()) == Some(then) => {
                Some(src)
            }
            _ => return None,
        };
        let dst = MaRange::new(self.dst.start(), next.dst.end())?;
        Some(Self { dst, src })
    }
}

/// Why there is no copy list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListError {
    /// There is not one source for each page of data.
    SourceCount {
        /// So many sources there are.
        sources: usize,
        /// So many there should be.
        data_pages: usize,
    },
    /// A page of the data has no source.
    NoSource {
        /// The number of the page.
        page: usize,
    },
    /// A source would be overwritten before it is read, or cannot be named (frame 0).
    BadSource {
        /// The number of the page.
        page: usize,
        /// Its source.
        frame: Mfn,
    },
    /// There are runs left and no list page to put them in.
    NoPage,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceCount {
                sources,
                data_pages,
            } => {
                write!(
                    f,
                    "{data_pages} pages of data and {sources} sources for them"
                )
            }
            Self::NoSource { page } => write!(f, "no page for page {page} of the data"),
            Self::BadSource { page, frame } => {
                let at = frame.start();
                write!(
                    f,
                    "page {page} of the data is kept at {at}, which will be overwritten"
                )
            }
            Self::NoPage => f.write_str("the copy list is longer than the pages reserved for it"),
        }
    }
}

/// The sources of an image's data, known to be in order.
///
/// # Invariants
///
/// There is a source for each page of data, and it lies in no destination or is
/// its own, and that is not frame 0.
#[derive(Clone, Copy, Debug)]
pub struct CopyList<'a, T> {
    segments: &'a Segments,
    sources: &'a [Option<Source<T>>],
}

impl<'a, T: Copy> CopyList<'a, T> {
    /// The copy list of an image with these `sources`.
    ///
    /// # Errors
    ///
    /// Any but [`ListError::NoPage`]. None of them can happen with sources that a `Placement` of the
    /// same segments has filled to the end.
    pub fn new(
        segments: &'a Segments,
        sources: &'a [Option<Source<T>>],
    ) -> Result<Self, ListError> {
        let data_pages = segments.nr_data_pages();
        if sources.len() != data_pages {
            return Err(ListError::SourceCount {
                sources: sources.len(),
                data_pages,
            });
        }
        for (page, source) in sources.iter().enumerate() {
            let Some(Source { frame, .. }) = *source else {
                return Err(ListError::NoSource { page });
            };
            let place = segments.locate(frame);
            let harmless = place == Location::Outside || place == Location::Data { page };
            if !harmless || frame.start() == Maddr::ZERO {
                return Err(ListError::BadSource { page, frame });
            }
        }
        Ok(Self { segments, sources })
    }

    /// The runs, as long as possible, in the order of the segments.
    pub fn runs(&self) -> Runs<'a, T> {
        Runs {
            pieces: Pieces {
                segments: self.segments.iter(),
                sources: self.sources.iter().flatten(),
                data: None,
                tail: None,
            }
            .peekable(),
        }
    }

    /// Writes the list from its beginning.
    pub fn writer(&self) -> ListWriter<'a, T> {
        ListWriter {
            runs: self.runs().peekable(),
        }
    }
}

/// The pages of data one by one, and the tails.
#[derive(Clone, Debug)]
struct Pieces<'a, T> {
    segments: Flatten<slice::Iter<'a, Option<Segment>>>,
    sources: Flatten<slice::Iter<'a, Option<Source<T>>>>,
    /// What is left of the current segment's data.
    data: Option<MaRange>,
    /// The current segment's tail.
    tail: Option<MaRange>,
}

impl<T> Iterator for Pieces<'_, T> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        loop {
            if let Some(data) = self.data.take().filter(|data| !data.is_empty()) {
                let dst = MaRange::from_len(data.start(), PAGE_SIZE)?;
                self.data = MaRange::new(dst.end(), data.end());
                let src = Some(self.sources.next()?.frame.start());
                return Some(Run { dst, src });
            }
            if let Some(dst) = self.tail.take().filter(|tail| !tail.is_empty()) {
                return Some(Run { dst, src: None });
            }
            let segment = self.segments.next()?;
            self.data = Some(segment.data());
            self.tail = Some(segment.tail());
        }
    }
}

/// The runs of a [`CopyList`].
#[derive(Clone, Debug)]
pub struct Runs<'a, T> {
    pieces: Peekable<Pieces<'a, T>>,
}

impl<T> Iterator for Runs<'_, T> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let mut run = self.pieces.next()?;
        while let Some(longer) = self.pieces.peek().and_then(|next| run.join(*next)) {
            run = longer;
            self.pieces.next();
        }
        Some(run)
    }
}

/// Whether a list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// The page refers to the next one, which has to be written too.
    More,
    /// The page was the last.
    Last,
}

/// Writes a copy list, page by page.
#[derive(Clone, Debug)]
pub struct ListWriter<'a, T> {
    runs: Peekable<Runs<'a, T>>,
}

impl<T> ListWriter<'_, T> {
    /// Fills `page`, all of it, with the runs that come next. If they do not fit, it refers to
    /// `next` as the page that will hold the others; if they do, `next` is not looked at.
    ///
    /// # Errors
    ///
    /// [`ListError::NoPage`] if another page is needed and `next` is `None`. The list is incomplete
    /// then and must not be used.
    pub fn write(
        &mut self,
        page: &mut CopyListPage,
        next: Option<Mfn>,
    ) -> Result<Written, ListError> {
        page.next = 0;
        page.nr = 0;
        for entry in &mut page.entries {
            *entry = match self.runs.next() {
                Some(run) => {
                    page.nr = page.nr.saturating_add(1);
                    run.entry()
                }
                None => Entry::default(),
            };
        }
        if self.runs.peek().is_none() {
            return Ok(Written::Last);
        }
        // Address 0 would be the end of the list.
        let next = next.filter(|frame| frame.start() != Maddr::ZERO);
        page.next = next.ok_or(ListError::NoPage)?.start().raw();
        Ok(Written::More)
    }
}
