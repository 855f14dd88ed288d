//! The list by which Xen's older kexec interface (V1) is given pages: Linux's own list of old, with
//! machine addresses.
//!
//! Each entry is an address and a flag. A *destination* says where the next pages go, each *source*
//! names one of them, an *indirection* leads to the next page of the list, *done* ends it. Xen
//! copies the sources while it loads. It believes the list: an address in it that is no memory
//! brings the whole machine down. So a list can be made here of nothing but ranges that somebody
//! owns, and it can only say that each page goes where it is.
//!
//! Sources: `xen/common/kimage.c` (`kimage_build_ind`), `xen/include/xen/kimage.h`.

use super::addr::{Maddr, Mfn, PAGE_SIZE};
use super::range::MaRange;

/// Entries in one page of the list.
pub const ENTRIES_PER_PAGE: usize = 512;
/// Runs of pages without a gap that Xen takes at most (`KEXEC_SEGMENT_MAX`).
pub const RUNS_MAX: usize = 16;

/// A page of the list.
pub type IndirectionPage = [u64; ENTRIES_PER_PAGE];

/// What an entry is (`IND_*`), in the bits of its address that a page's is 0 in.
mod flag {
    pub(super) const DESTINATION: u64 = 1 << 0;
    pub(super) const INDIRECTION: u64 = 1 << 1;
    pub(super) const DONE: u64 = 1 << 2;
    pub(super) const SOURCE: u64 = 1 << 3;
}

/// Why there is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndirectionError {
    /// A range does not begin and end on a page, or there are too many.
    Range,
    /// The list is longer than the pages for it.
    NoPage,
}

/// How many pages the list for `ranges` takes.
pub fn pages_needed(ranges: &[MaRange]) -> usize {
    let entries = ranges.iter().fold(0u64, |sum, range| {
        sum.saturating_add(1)
            .saturating_add(range.len_bytes() / PAGE_SIZE)
    });
    // In each page one entry leads on, or is the end.
    let room = ENTRIES_PER_PAGE as u64 - 1;
    usize::try_from(entries.div_ceil(room).max(1)).unwrap_or(usize::MAX)
}

/// Writes the list for `ranges` to `pages`: each page of theirs goes to where it is. With each page
/// of the list comes the frame that it is in; Xen finds the first by the address that this returns.
///
/// The caller owns all of the memory in the ranges.
///
/// # Errors
///
/// See [`IndirectionError`]. What has been written then must not be used.
pub fn write<'a>(
    ranges: &[MaRange],
    pages: impl Iterator<Item = (Mfn, &'a mut IndirectionPage)>,
) -> Result<Maddr, IndirectionError> {
    let whole =
        |range: &MaRange| range.start().is_aligned(PAGE_SIZE) && range.end().is_aligned(PAGE_SIZE);
    if ranges.len() > RUNS_MAX || !ranges.iter().all(whole) {
        return Err(IndirectionError::Range);
    }
    let mut pages = pages.peekable();
    let first = pages.peek().map(|(frame, _)| frame.start());
    let mut entries = entries(ranges).peekable();
    while let Some((_, page)) = pages.next() {
        page.fill(0);
        let [places @ .., link] = page;
        for place in places {
            *place = entries.next().unwrap_or(flag::DONE);
            if *place == flag::DONE {
                return first.ok_or(IndirectionError::NoPage);
            }
        }
        if entries.peek().is_none() {
            *link = flag::DONE;
            return first.ok_or(IndirectionError::NoPage);
        }
        let (next, _) = pages.peek().ok_or(IndirectionError::NoPage)?;
        *link = next.start().raw() | flag::INDIRECTION;
    }
    Err(IndirectionError::NoPage)
}

/// The entries for pages in `ranges` that stay where they are.
fn entries(ranges: &[MaRange]) -> impl Iterator<Item = u64> + '_ {
    ranges.iter().flat_map(|range| {
        let start = range.start().raw();
        let pages = 0..range.len_bytes() / PAGE_SIZE;
        // Within a range, so nothing wraps.
        let source =
            move |page: u64| start.wrapping_add(page.wrapping_mul(PAGE_SIZE)) | flag::SOURCE;
        core::iter::once(start | flag::DESTINATION).chain(pages.map(source))
    })
}
