//! The copy list: what is accepted, what is not, and that no list whatsoever leads astray.

use std::panic::{catch_unwind, AssertUnwindSafe};

use proptest::prelude::*;
use rkexec::abi::handover::{CopyListPage, Params, ENTRIES_PER_PAGE};
use rkexec::range::MaRange;
use rkexec_handover::list::{ListFault, Run};

use crate::arena::{
    entry, list, list_page, page, params, range, Arena, PageFault, CHUNK, PAGES, TABLES,
};

/// All entries of the list that `params` name.
fn walk(arena: &Arena, params: &Params) -> Result<Vec<Run>, ListFault> {
    let list = list(params)?;
    let mut runs = list.runs();
    let mut all = vec![];
    while let Some(run) = runs.next(arena)? {
        all.push(run);
    }
    Ok(all)
}

/// Parameters of a list of one page, which this is.
fn one_page(arena: &mut Arena, list_page: &CopyListPage) -> Params {
    arena.write_list_page(page(1), list_page);
    Params {
        list: page(1),
        nr_list_pages: 1,
        ..params()
    }
}

/// What becomes of a list of one entry.
fn judge(dst: u64, src: u64, len: u64) -> Result<Run, ListFault> {
    let mut arena = Arena::new();
    let params = one_page(&mut arena, &list_page(0, 1, &[entry(dst, src, len)]));
    walk(&arena, &params).map(|runs| runs[0])
}

#[track_caller]
fn refused(dst: u64, src: u64, len: u64, why: ListFault) {
    assert_eq!(judge(dst, src, len), Err(why), "{dst:x} {src:x} {len:x}");
}

#[track_caller]
fn accepted(dst: u64, src: u64, len: u64) {
    assert!(judge(dst, src, len).is_ok(), "{dst:x} {src:x} {len:x}");
}

#[test]
fn the_three_kinds_of_entries_are_told_apart() {
    let (a, b) = (page(8), page(16));
    let copy = Run::Copy {
        dst: range(a, 0x3000),
        src: range(b, 0x3000),
    };
    assert_eq!(judge(a, b, 0x3000), Ok(copy));
    assert_eq!(judge(a, a, 0x3000), Ok(Run::InPlace(range(a, 0x3000))));
    assert_eq!(judge(a, 0, 0x3000), Ok(Run::Zero(range(a, 0x3000))));
}

#[test]
fn page_0_is_a_destination_like_any_other() {
    assert_eq!(judge(0, 0, 0x1000), Ok(Run::Zero(range(0, 0x1000))));
    assert!(matches!(judge(0, page(3), 0x1000), Ok(Run::Copy { .. })));
}

#[test]
fn only_whole_pages_are_accepted() {
    for bad in [1, 8, 0x800, 0xfff, 0x1001] {
        refused(page(8) + bad, page(16), 0x1000, ListFault::Pages);
        refused(page(8), page(16) + bad, 0x1000, ListFault::Pages);
        refused(page(8), page(16), bad, ListFault::Pages);
    }
    refused(page(8), page(16), 0, ListFault::Pages);
}

#[test]
fn the_address_space_ends_at_52_bits() {
    let end = 1 << 52;
    let last = end - 0x1000;
    accepted(last, page(1), 0x1000);
    accepted(page(1), last, 0x1000);
    for (dst, src, len) in [
        (last, page(1), 0x2000),
        (page(1), last, 0x2000),
        (end, page(1), 0x1000),
        (page(1), end, 0x1000),
        (1 << 63, page(1), 0x1000),
        (page(1), 0x8000_0000_0000_1000, 0x1000),
        (0xffff_ffff_ffff_f000, page(1), 0x1000),
        (0xffff_ffff_ffff_f000, page(1), 0x2000),
        (page(1), page(9), 0xffff_ffff_ffff_f000),
        (page(1), 0, 0xffff_ffff_ffff_f000),
    ] {
        refused(dst, src, len, ListFault::Space);
    }
}

#[test]
fn a_source_must_not_overlap_its_own_destination() {
    for (dst, src) in [(8, 9), (9, 8), (8, 10), (10, 8)] {
        refused(page(dst), page(src), 0x3000, ListFault::Overlap);
    }
    for (dst, src) in [(8, 11), (11, 8)] {
        accepted(page(dst), page(src), 0x3000);
    }
}

#[test]
fn nothing_goes_over_the_hand_over_or_the_tables() {
    for dst in [CHUNK - 0x1000, CHUNK, TABLES] {
        refused(dst, page(4), 0x2000, ListFault::Protected);
        refused(dst, 0, 0x2000, ListFault::Protected);
    }
    accepted(CHUNK - 0x2000, page(4), 0x2000);
    accepted(TABLES + 0x1000, page(4), 0x2000);
    // They may be part of the image: what is in place is not written.
    accepted(CHUNK, CHUNK, 0x1000);
    accepted(page(4), CHUNK, 0x1000);
}

/// A list of three pages with two, two and one entries.
fn three_pages(arena: &mut Arena) -> (Params, [u64; 3]) {
    let pages = [page(5), page(2), page(9)];
    let entries: Vec<_> = (0..5)
        .map(|i| entry(page(20 + i), page(30 + i), 0x1000))
        .collect();
    (arena.write_list(&entries, 2, &pages), pages)
}

#[test]
fn entries_come_in_the_order_of_the_list() {
    let mut arena = Arena::new();
    let (params, _) = three_pages(&mut arena);
    let sources: Vec<_> = walk(&arena, &params)
        .unwrap()
        .iter()
        .map(|run| match run {
            Run::Copy { src, .. } => *src,
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [30, 31, 32, 33, 34].map(|nr| range(page(nr), 0x1000));
    assert_eq!(sources, expected);
    let verified = list(&params).unwrap().verify(&arena, &params.list_digest);
    assert_eq!(verified, Ok(()));
}

#[test]
fn full_and_empty_pages_are_fine() {
    let mut arena = Arena::new();
    let entries: Vec<_> = (0..ENTRIES_PER_PAGE as u64)
        .map(|i| entry(page(10 + i % 40), 0, 0x1000))
        .collect();
    for pages in [
        &[page(1)][..],
        &[page(1), page(2)],
        &[page(1), page(2), page(3)],
    ] {
        let params = arena.write_list(&entries, ENTRIES_PER_PAGE, pages);
        assert_eq!(walk(&arena, &params).unwrap().len(), ENTRIES_PER_PAGE);
    }
    let params = arena.write_list(&[], ENTRIES_PER_PAGE, &[page(1)]);
    assert_eq!(walk(&arena, &params), Ok(vec![]));
}

#[test]
fn every_word_of_every_list_page_counts() {
    let mut arena = Arena::new();
    let (params, pages) = three_pages(&mut arena);
    let list = list(&params).unwrap();
    for at in pages {
        // The links apart, which have a fault of their own.
        for word in 1..512 {
            let offset = (at - page(0)) as usize + word * 8 + word % 8;
            arena.all_mut()[offset] ^= 0x10;
            let verified = list.verify(&arena, &params.list_digest);
            assert_eq!(verified, Err(ListFault::Digest));
            arena.all_mut()[offset] ^= 0x10;
        }
    }
}

#[test]
fn the_number_of_pages_must_be_right() {
    let mut arena = Arena::new();
    let (good, _) = three_pages(&mut arena);
    for nr_list_pages in [0, 1, 2, 4, u64::MAX] {
        let params = Params {
            nr_list_pages,
            ..good
        };
        let walked = walk(&arena, &params);
        assert_eq!(walked, Err(ListFault::Length), "{nr_list_pages}");
        let verified = list(&params).and_then(|list| list.verify(&arena, &params.list_digest));
        assert_eq!(verified, Err(ListFault::Length), "{nr_list_pages}");
    }
}

#[test]
fn a_cycle_ends_where_the_list_should() {
    for target in [page(5), page(2), page(9)] {
        let mut arena = Arena::new();
        let (params, pages) = three_pages(&mut arena);
        arena.write_list_page(pages[2], &list_page(target, 0, &[]));
        assert_eq!(walk(&arena, &params), Err(ListFault::Length));
        let verified = list(&params).unwrap().verify(&arena, &params.list_digest);
        assert_eq!(verified, Err(ListFault::Length));
    }
}

#[test]
fn a_link_leads_to_a_page_or_nowhere() {
    for bad in [1, page(2) + 8, 1 << 52, 1 << 63, u64::MAX - 4095, u64::MAX] {
        let mut arena = Arena::new();
        let (good, pages) = three_pages(&mut arena);
        arena.write_list_page(pages[1], &list_page(bad, 0, &[]));
        assert_eq!(walk(&arena, &good), Err(ListFault::Link), "{bad:x}");
        let refused = list(&Params { list: bad, ..good }).err();
        assert_eq!(refused, Some(ListFault::Link), "{bad:x}");
    }
    let none = Params {
        list: 0,
        nr_list_pages: 1,
        ..params()
    };
    assert_eq!(list(&none).err(), Some(ListFault::Length));
}

#[test]
fn a_page_has_no_more_entries_than_fit() {
    for nr in [171, 172, 4096, u64::MAX] {
        let mut arena = Arena::new();
        let entries = [entry(page(20), page(30), 0x1000); ENTRIES_PER_PAGE];
        let params = one_page(&mut arena, &list_page(0, nr, &entries));
        assert_eq!(walk(&arena, &params), Err(ListFault::Count), "{nr}");
    }
}

/// Numbers that a broken or hostile list might hold, good ones among them.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => (0..PAGES).prop_map(page),
        2 => (1..9u64).prop_map(|pages| pages * 0x1000),
        1 => Just(0),
        1 => (0..64u32).prop_map(|bit| 1 << bit),
        1 => (0..64u32).prop_map(|bit| (1u64 << bit).wrapping_neg()),
        1 => (0..64u32).prop_map(|bit| (1u64 << bit).wrapping_sub(0x1000)),
        1 => any::<u64>(),
        1 => any::<u64>().prop_map(|value| value & !0xfff),
    ]
}

fn hostile_page() -> impl Strategy<Value = CopyListPage> {
    let some = (number(), number(), number()).prop_map(|(dst, src, len)| entry(dst, src, len));
    let entries = prop::collection::vec(some, 0..12);
    let nr = prop_oneof![4 => 0..12u64, 1 => 0..200u64, 1 => any::<u64>()];
    (number(), nr, entries).prop_map(|(next, nr, some)| list_page(next, nr, &some))
}

/// Checks a run again, in arithmetic that cannot wrap.
fn sound(run: Run) -> bool {
    let wide = |range: MaRange| (range.start().raw().into(), range.end().raw().into());
    let whole = |(start, end): (u128, u128)| {
        start < end && end <= 1 << 52 && start % 4096 == 0 && end % 4096 == 0
    };
    let apart = |a: (u128, u128), b: (u128, u128)| a.1 <= b.0 || b.1 <= a.0;
    let free = |dst| {
        let start = u128::from(CHUNK);
        apart(dst, (start, start + 4096)) && apart(dst, (start + 4096, start + 8192))
    };
    match run {
        Run::InPlace(src) => whole(wide(src)),
        Run::Zero(dst) => whole(wide(dst)) && free(wide(dst)),
        Run::Copy { dst, src } => {
            let (src, dst) = (wide(src), wide(dst));
            let same = dst.1 - dst.0 == src.1 - src.0;
            same && whole(src) && whole(dst) && apart(src, dst) && free(dst) && src.0 != 0
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever the pages hold: the walk ends, it looks at no more than it was told there is, and
    /// what it yields is sound. Only a link to unmapped memory may fault, which the real processor
    /// does as well.
    #[test]
    fn no_list_leads_astray(
        pages in prop::collection::vec(hostile_page(), 1..6),
        first in number(),
        nr_list_pages in prop_oneof![4 => 1..7u64, 1 => 1..300u64],
    ) {
        let mut arena = Arena::new();
        for (nr, page_content) in pages.iter().enumerate() {
            arena.write_list_page(page(nr as u64), page_content);
        }
        for list in [page(0), first] {
            let params = Params { list, nr_list_pages, ..params() };
            arena.looks.set(0);
            match catch_unwind(AssertUnwindSafe(|| walk(&arena, &params))) {
                Ok(Ok(runs)) => prop_assert!(runs.into_iter().all(sound)),
                Ok(Err(_fault)) => {}
                Err(panic) => prop_assert_eq!(panic.downcast_ref(), Some(&PageFault)),
            }
            let most = nr_list_pages.saturating_mul(ENTRIES_PER_PAGE as u64 + 1);
            prop_assert!(arena.looks.get() as u64 <= most);
        }
    }
}
