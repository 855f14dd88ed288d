//! Finding pages for an image: for its data and for the list of what goes where.
//!
//! The list comes first. A page that turns up in a destination becomes the source of what belongs
//! there, also when it was meant for the list; afterwards the list can no longer grow, for its own
//! pages could change what is to be listed.

use kernel::prelude::*;

use super::error::LoadError;
use super::image::Verified;
use super::long_load::give_way;
use crate::abi::handover::CopyListPage;
use crate::pure::addr::{Maddr, Mfn};
use crate::pure::copylist::{list_pages_bound, CopyList, ListError, Written};
use crate::pure::placement::{Offer, Placement, Source};
use crate::pure::segment::Segments;
use crate::sys::kimage::Kimage;
use crate::sys::p2m::P2m;
use crate::sys::pages::{Page, RawPage};
use crate::sys::sha256::Sha256;

/// Between two calls of [`give_way`], so many pages are found or copied.
const PAGES_AT_ONCE: usize = 256;

/// The pages of an image's data, owned.
struct SourcePages(KVVec<Option<Source<RawPage>>>);

impl Drop for SourcePages {
    fn drop(&mut self) {
        for source in self.0.iter().flatten() {
            // SAFETY: The pages were allocated as sources, and each is here once.
            unsafe { source.page.free() };
        }
    }
}

/// The pages of an image while they are being found.
pub(super) struct ImagePages {
    /// For each page of data, the page that keeps it.
    sources: SourcePages,
    /// The copy list.
    list: KVec<Page>,
}

/// The search for pages.
struct Search<'a, P> {
    p2m: &'a P,
    /// Pages that are of no use, such as those in a destination's tail. They are kept until the search
    /// is over, or they would only be found again; then nothing is needed of them. There may be as many
    /// as dom0 has pages, too many for a list in one piece of memory.
    parked: KVVec<Page>,
    /// Pages that were found, of use or not.
    found: usize,
}

impl<'a, P: P2m> Search<'a, P> {
    fn new(p2m: &'a P) -> Self {
        Self {
            p2m,
            parked: KVVec::new(),
            found: 0,
        }
    }

    /// A page and the machine frame behind it. Pages with none of their own are put aside, which may be
    /// all that was added to a machine.
    fn next(&mut self) -> Result<(RawPage, Mfn), LoadError> {
        loop {
            self.found = self.found.wrapping_add(1);
            if self.found % PAGES_AT_ONCE == 0 {
                give_way()?;
            }
            let page = RawPage::alloc().ok_or(LoadError::NoMemory("the image"))?;
            match page.pfn().and_then(|pfn| self.p2m.to_machine(pfn)) {
                Some(frame) => return Ok((page, frame)),
                None => self.park(page)?,
            }
        }
    }

    /// Keeps a page that cannot be used.
    fn park(&mut self, page: RawPage) -> Result<(), LoadError> {
        // SAFETY: The page was allocated by `next` and is no source.
        let page = unsafe { Page::from_raw(page, None) };
        (self.parked.push(page, GFP_KERNEL)).map_err(|_| LoadError::NoMemory("the image"))
    }
}

impl ImagePages {
    /// Finds all pages, and writes the list.
    pub(super) fn new(segments: &Segments, p2m: &impl P2m) -> Result<Self, LoadError> {
        let mut pages = Self::empty(segments)?;
        let mut search = Search::new(p2m);
        pages.reserve_list(segments, &mut search)?;
        pages.find_sources(segments, &mut search)?;
        pages.write_list(segments)?;
        Ok(pages)
    }

    /// Copies the data of segment `index` to the pages that keep it, and all of them to `digest`. `read`
    /// fills a page with what is at an offset of the segment.
    pub(super) fn fill(
        &self,
        segments: &Segments,
        index: usize,
        digest: &mut Sha256,
        read: impl Fn(usize, &mut [u8]) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let sources = (segments.data_pages_of(index))
            .and_then(|pages| self.sources.0.get(pages))
            .ok_or(LoadError::Kernel("finding the pages of a segment", EINVAL))?;
        for (nr, source) in sources.iter().flatten().enumerate() {
            // SAFETY: The page is a source of ours, and nobody else writes to it.
            let page = unsafe { source.page.bytes_mut() };
            read(nr.saturating_mul(page.len()), page)?;
            digest.update(page);
            if nr % PAGES_AT_ONCE == 0 {
                give_way()?;
            }
        }
        Ok(())
    }

    /// Leaves them to the kernel, which frees them with the image.
    pub(super) fn leave_to(mut self, kimage: &mut Kimage<'_>) {
        for page in self.list {
            kimage.keep_page(page);
        }
        for source in self.sources.0.iter_mut().filter_map(Option::take) {
            // SAFETY: The page was allocated as a source, and is taken out of the only list of them.
            kimage.keep_page(unsafe { Page::from_raw(source.page, Some(source.frame)) });
        }
    }

    /// The copy list, as the hand-over gets it.
    pub(super) fn verified_list(&self) -> Verified {
        let mut digest = Sha256::new();
        for page in &self.list {
            digest.update(page.bytes());
        }
        let first = self.list.first().and_then(Page::mfn);
        Verified {
            first: first.map_or(Maddr::ZERO, Mfn::start),
            nr_pages: self.list.len(),
            digest: digest.finish(),
        }
    }

    /// The first page that keeps data; 0 if there is none.
    pub(super) fn first_source(&self) -> Maddr {
        let first = self.sources.0.iter().flatten().next();
        first.map_or(Maddr::ZERO, |source| source.frame.start())
    }

    fn empty(segments: &Segments) -> Result<Self, LoadError> {
        let sources = KVVec::from_elem(None, segments.nr_data_pages(), GFP_KERNEL)
            .map_err(|_| LoadError::NoMemory("the list of the image's pages"))?;
        Ok(Self {
            sources: SourcePages(sources),
            list: KVec::new(),
        })
    }

    /// Finds as many pages for the copy list as it can need at most.
    fn reserve_list(
        &mut self,
        segments: &Segments,
        search: &mut Search<'_, impl P2m>,
    ) -> Result<(), LoadError> {
        let wanted = list_pages_bound(segments);
        self.list
            .reserve(wanted, GFP_KERNEL)
            .map_err(|_| LoadError::NoMemory("the copy list"))?;
        let mut placement = placement(segments, &mut self.sources)?;
        while self.list.len() < wanted {
            let (page, frame) = search.next()?;
            match placement.offer_spare(page, frame) {
                Offer::Placed => {}
                Offer::Park(source) => search.park(source.page)?,
                Offer::Spare(source) => {
                    // SAFETY: The placement has handed the page back, so it is ours alone.
                    let page = unsafe { Page::from_raw(source.page, Some(source.frame)) };
                    self.list
                        .push(page, GFP_KERNEL)
                        .map_err(|_| LoadError::NoMemory("the copy list"))?;
                }
            }
        }
        Ok(())
    }

    /// Finds a page for each page of the data.
    fn find_sources(
        &mut self,
        segments: &Segments,
        search: &mut Search<'_, impl P2m>,
    ) -> Result<(), LoadError> {
        let mut placement = placement(segments, &mut self.sources)?;
        while !placement.is_full() {
            let (page, frame) = search.next()?;
            match placement.offer(page, frame) {
                Offer::Placed => {}
                Offer::Park(source) => search.park(source.page)?,
                // SAFETY: The placement has handed the page back, and nobody needs it.
                Offer::Spare(source) => unsafe { source.page.free() },
            }
        }
        Ok(())
    }

    /// Writes the copy list and frees what it did not need of its pages.
    fn write_list(&mut self, segments: &Segments) -> Result<(), LoadError> {
        let copies = CopyList::new(segments, &self.sources.0)?;
        let mut writer = copies.writer();
        let mut used: usize = 0;
        loop {
            let next = self.list.get(used.saturating_add(1)).and_then(Page::mfn);
            let page = self.list.get_mut(used).ok_or(ListError::NoPage)?;
            used = used.saturating_add(1);
            match writer.write(page.as_mut::<CopyListPage>(), next)? {
                Written::More => {}
                Written::Last => break,
            }
        }
        self.list.truncate(used);
        Ok(())
    }
}

fn placement<'a>(
    segments: &'a Segments,
    sources: &'a mut SourcePages,
) -> Result<Placement<'a, RawPage>, LoadError> {
    // It refuses only a wrong number of sources, and `ImagePages::new` made the right one.
    Placement::new(segments, &mut sources.0)
        .ok_or(LoadError::Kernel("laying out the image", EINVAL))
}
