//! Images in units of pages, for tests of what becomes of them.

use proptest::prelude::*;
use rkexec::abi::handover::{CopyListPage, Entry, ENTRIES_PER_PAGE};
use rkexec::addr::{Mfn, PHYS_END};
use rkexec::placement::Source;
use rkexec::requested_segment::{check, RequestedSegment};
use rkexec::segment::Segments;

use crate::common::{mfn, range, PAGE};

/// What the kernel would name the page behind `frame`: something from which to tell that page and
/// frame have not been mixed up.
pub fn page_of(frame: Mfn) -> u64 {
    0xffff_0000_0000_0000 + frame.number()
}

/// The page with this number as a source.
pub fn source(number: u64) -> Source<u64> {
    let frame = mfn(number);
    Source {
        page: page_of(frame),
        frame,
    }
}

/// A page of a list that is full of this entry.
pub fn list_page(next: u64, nr: u64, entry: Entry) -> CopyListPage {
    let entries = [entry; ENTRIES_PER_PAGE];
    CopyListPage { next, nr, entries }
}

/// One with what must not be left over: the kernel's pages come with anything in them.
pub fn dirty_page() -> CopyListPage {
    let (dst, src, len) = (77, 78, 79);
    list_page(77, 78, Entry { dst, src, len })
}

/// A segment as (first page, pages of data, pages of tail).
pub type Layout = Vec<(u64, u64, u64)>;

/// The segments of a layout on a machine where everything is RAM.
pub fn segments(layout: &Layout) -> Segments {
    let requested: Vec<_> = layout
        .iter()
        .map(|&(page, data, tail)| RequestedSegment {
            mem: page * PAGE,
            memsz: (data + tail) * PAGE,
            bufsz: data * PAGE,
        })
        .collect();
    let ram = [range(0, PHYS_END)];
    let entered = requested.iter().find(|requested| requested.memsz > 0);
    let entry = entered.expect("a page").mem;
    check(&requested, entry, &ram).expect("a good image")
}

/// Layouts of up to `most` segments of up to `pages` pages, in any order, from page 0 on.
pub fn layouts(most: usize, pages: u64) -> impl Strategy<Value = Layout> {
    prop::collection::vec((0..=pages, 0..=pages / 2, 0..4u64), 1..=most)
        .prop_map(|parts| {
            let mut end = 0;
            let place = |(data, tail, gap)| {
                let page = end + gap;
                end = page + data + tail;
                (page, data, tail)
            };
            parts.into_iter().map(place).collect::<Layout>()
        })
        .prop_shuffle()
        .prop_filter("an image has a page", |layout| {
            layout.iter().any(|(_, data, tail)| data + tail > 0)
        })
}

/// The first page above a layout.
pub fn end_of(layout: &Layout) -> u64 {
    let ends = layout.iter().map(|(page, data, tail)| page + data + tail);
    ends.max().unwrap_or(0)
}
