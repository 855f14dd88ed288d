//! The copy list: how runs merge, how they fill pages, and what is refused.

use proptest::prelude::*;
use rkexec::abi::handover::{CopyListPage, Entry};
use rkexec::addr::Mfn;
use rkexec::copylist::{
    list_pages_bound, list_pages_needed, write_in_place, CopyList, ListError, ListWriter, Written,
};
use rkexec::placement::Source;

use super::model::{dirty_page, layouts, list_page, segments, Layout};
use crate::common::{mfn, PAGE};

/// An entry in pages.
fn entry(dst: u64, src: u64, len: u64) -> Entry {
    let [dst, src, len] = [dst, src, len].map(|pages| pages * PAGE);
    Entry { dst, src, len }
}

fn kept_at(numbers: &[u64]) -> Vec<Option<Source<()>>> {
    let sources = numbers.iter().map(|&number| Source {
        page: (),
        frame: mfn(number),
    });
    sources.map(Some).collect()
}

/// The runs of an image as (destination, source, length), in pages.
fn runs(layout: &Layout, sources: &[u64]) -> Vec<(u64, Option<u64>, u64)> {
    let segments = segments(layout);
    let sources = kept_at(sources);
    let list = CopyList::new(&segments, &sources).expect("a good layout");
    list.runs()
        .map(|run| {
            let src = run.src.map(|src| src.raw() / PAGE);
            let entry = run.entry();
            assert_eq!(entry.dst, run.dst.start().raw());
            assert_eq!(entry.src, src.unwrap_or(0) * PAGE);
            assert_eq!(entry.len, run.dst.len_bytes());
            (entry.dst / PAGE, src, entry.len / PAGE)
        })
        .collect()
}

/// Checks the runs of an image: "2 at 10 from 50" are copied, "2 at 10" are zeros.
fn check(layout: &Layout, sources: &[u64], expected: &str) {
    let found = runs(layout, sources).into_iter().map(|run| match run {
        (dst, Some(src), len) => format!("{len} at {dst} from {src}"),
        (dst, None, len) => format!("{len} at {dst}"),
    });
    let expected: Vec<_> = expected.split(", ").collect();
    assert_eq!(found.collect::<Vec<_>>(), expected, "{layout:?}");
}

#[test]
fn neighbours_at_both_ends_become_one_run() {
    let image = vec![(10, 4, 2)];
    check(&image, &[50, 51, 52, 53], "4 at 10 from 50, 2 at 14");
    let halves = "2 at 10 from 50, 2 at 12 from 60, 2 at 14";
    check(&image, &[50, 51, 60, 61], halves);
    let backwards = "1 at 10 from 53, 1 at 11 from 52, 1 at 12 from 51, 1 at 13 from 50, 2 at 14";
    check(&image, &[53, 52, 51, 50], backwards);
}

#[test]
fn data_that_is_in_place_stays_on_the_list() {
    let image = vec![(10, 4, 0)];
    check(&image, &[10, 11, 12, 13], "4 at 10 from 10");
    let between = "1 at 10 from 50, 2 at 11 from 11, 1 at 13 from 53";
    check(&image, &[50, 11, 12, 53], between);
    // Page 9 is next to page 10, but it is not in place.
    let near = "1 at 10 from 9, 2 at 11 from 11, 1 at 13 from 14";
    check(&image, &[9, 11, 12, 14], near);
}

#[test]
fn segments_keep_their_order_and_merge_where_they_touch() {
    let apart = vec![(30, 1, 1), (10, 1, 0), (20, 0, 3)];
    let one_each = "1 at 30 from 50, 1 at 31, 1 at 10 from 51, 3 at 20";
    check(&apart, &[50, 51], one_each);
    let touching = vec![(10, 2, 0), (12, 1, 1), (14, 0, 2), (16, 1, 0)];
    let merged = "3 at 10 from 50, 3 at 13, 1 at 16 from 53";
    check(&touching, &[50, 51, 52, 53], merged);
    // The second lies below the first: not its continuation.
    let reversed = vec![(12, 1, 0), (10, 2, 0)];
    check(&reversed, &[50, 51, 52], "1 at 12 from 50, 2 at 10 from 51");
}

#[test]
fn an_image_of_zeros_has_a_list_without_sources() {
    check(&vec![(10, 0, 4)], &[], "4 at 10");
}

#[test]
fn sources_that_break_the_rule_are_refused_and_named() {
    let segments = segments(&vec![(10, 2, 2)]);
    let bad = [
        kept_at(&[50]),
        kept_at(&[50, 51, 52]),
        vec![kept_at(&[50])[0], None],
        kept_at(&[11, 51]),
        kept_at(&[50, 12]),
        kept_at(&[50, 0]),
    ];
    let told = bad.map(|sources| {
        let error = CopyList::new(&segments, &sources).expect_err("a broken rule");
        format!("{error:?}: {error}")
    });
    let expected = [
        "SourceCount { sources: 1, data_pages: 2 }: 2 pages of data and 1 sources for them",
        "SourceCount { sources: 3, data_pages: 2 }: 2 pages of data and 3 sources for them",
        "NoSource { page: 1 }: no page for page 1 of the data",
        "BadSource { page: 0, frame: ma:0xb000+0x1000 }: \
         page 0 of the data is kept at ma:0xb000, which will be overwritten",
        "BadSource { page: 1, frame: ma:0xc000+0x1000 }: \
         page 1 of the data is kept at ma:0xc000, which will be overwritten",
        "BadSource { page: 1, frame: ma:0x0+0x1000 }: \
         page 1 of the data is kept at ma:0x0, which will be overwritten",
    ];
    assert_eq!(told, expected);
    assert!(CopyList::new(&segments, &kept_at(&[10, 11])).is_ok());
}

#[test]
fn frame_0_can_be_a_destination_but_its_own_source_it_cannot_be() {
    let segments = segments(&vec![(0, 1, 0)]);
    assert!(CopyList::new(&segments, &kept_at(&[0])).is_err());
    assert_eq!(runs(&vec![(0, 1, 0)], &[7]), [(0, Some(7), 1)]);
}

#[test]
fn the_number_of_list_pages_is_exact_at_its_edges() {
    let needed = [0, 1, 169, 170, 171, 340, 341].map(list_pages_needed);
    assert_eq!(needed, [1, 1, 1, 1, 2, 2, 3]);

    let bound = |layout| list_pages_bound(&segments(&layout));
    assert_eq!(bound(vec![(0, 170, 0)]), 1);
    assert_eq!(bound(vec![(0, 170, 1)]), 2);
    assert_eq!(bound(vec![(0, 169, 1)]), 1);
    assert_eq!(bound(vec![(0, 100, 0), (200, 70, 0)]), 1);
    assert_eq!(bound(vec![(0, 100, 5), (200, 69, 5)]), 2);
    assert_eq!(bound(vec![(0, 0, 1000)]), 1);
}

/// An image with so many runs, each of one page, and its sources.
fn scattered(runs: u64) -> (Layout, Vec<Option<Source<()>>>) {
    let sources: Vec<_> = (0..runs).map(|run| 10_000 + 2 * run).collect();
    (vec![(10, runs, 0)], kept_at(&sources))
}

/// Writes a page, of which nothing of what was in it may remain.
fn write(
    writer: &mut ListWriter<'_, ()>,
    next: Option<Mfn>,
) -> (Result<Written, ListError>, CopyListPage) {
    let mut page = dirty_page();
    (writer.write(&mut page, next), page)
}

#[test]
fn a_full_page_is_the_last_if_nothing_is_left() {
    let (layout, sources) = scattered(170);
    let segments = segments(&layout);
    let list = CopyList::new(&segments, &sources).expect("a good layout");
    for next in [None, Some(mfn(5))] {
        let (written, page) = write(&mut list.writer(), next);
        assert_eq!(written, Ok(Written::Last));
        assert_eq!((page.next, page.nr), (0, 170));
        assert_eq!(page.entries[169], entry(179, 10_338, 1));
    }
}

#[test]
fn one_run_too_many_goes_to_the_next_page() {
    let (layout, sources) = scattered(171);
    let segments = segments(&layout);
    let list = CopyList::new(&segments, &sources).expect("a good layout");
    let mut writer = list.writer();
    let (written, page) = write(&mut writer, Some(mfn(5)));
    assert_eq!(written, Ok(Written::More));
    assert_eq!((page.next, page.nr), (5 * PAGE, 170));
    let (written, page) = write(&mut writer, None);
    assert_eq!(written, Ok(Written::Last));
    let empty = list_page(0, 0, Entry::default());
    let mut expected = list_page(0, 1, Entry::default());
    expected.entries[0] = entry(180, 10_340, 1);
    assert_eq!(page, expected);
    // There is no more: an empty page, should anybody ask.
    assert_eq!(write(&mut writer, None), (Ok(Written::Last), empty));

    // Without a next page, or with one that looks like the end of the list.
    for next in [None, Some(mfn(0))] {
        let (written, page) = write(&mut list.writer(), next);
        assert_eq!(written, Err(ListError::NoPage));
        assert_eq!(page.next, 0);
    }
    let line = "the copy list is longer than the pages reserved for it";
    assert_eq!(ListError::NoPage.to_string(), line);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn of_an_image_in_place_all_data_is_verified_and_all_else_zeroed(layout in layouts(16, 64)) {
        // Nothing can be in place in page 0, nor is a crash area there.
        let up = |(page, data, tail)| (page + 1, data, tail);
        let layout: Layout = layout.into_iter().map(up).collect();
        let mut page = dirty_page();
        write_in_place(&segments(&layout), &mut page);
        let (used, unused) = page.entries.split_at(page.nr as usize);
        prop_assert_eq!(page.next, 0);
        prop_assert!(unused.iter().all(|entry| *entry == Entry::default()));
        let mut wanted = Vec::new();
        for &(first, data, tail) in &layout {
            wanted.extend((data > 0).then_some(entry(first, first, data)));
            wanted.extend((tail > 0).then_some(entry(first + data, 0, tail)));
        }
        prop_assert_eq!(used, wanted.as_slice());
    }

    #[test]
    fn runs_are_as_long_as_they_can_be(
        layout in layouts(8, 8),
        // Sources near one another, so that many are neighbours; or in place.
        picks in prop::collection::vec((prop::bool::weighted(0.3), 0u64..3), 64),
    ) {
        let mut pages = Vec::new(); // (destination, source) one by one
        let mut sources = Vec::new();
        let mut next = 1000;
        for &(first, data, tail) in &layout {
            for page in first..first + data {
                let (in_place, skip) = picks[sources.len() % picks.len()];
                next += skip.max(1);
                let source = if in_place && page != 0 { page } else { next };
                sources.push(source);
                pages.push((page, Some(source)));
            }
            pages.extend((first + data..first + data + tail).map(|page| (page, None)));
        }

        let follows = |a: &(u64, Option<u64>), b: &(u64, Option<u64>)| {
            b.0 == a.0 + 1 && b.1 == a.1.map(|source| source + 1)
        };
        let expected: Vec<_> = pages
            .chunk_by(follows)
            .map(|run| (run[0].0, run[0].1, run.len() as u64))
            .collect();
        let bound = list_pages_bound(&segments(&layout));
        prop_assert!(list_pages_needed(expected.len()) <= bound);
        prop_assert_eq!(runs(&layout, &sources), expected);
    }
}
