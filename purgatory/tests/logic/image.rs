//! The image: put in place to the byte, and verified there.

use proptest::prelude::*;
use proptest::sample::subsequence;
use rkexec::abi::handover::{Entry, ENTRIES_PER_PAGE};
use rkexec_handover::fault::Fault;
use rkexec_handover::image::{place, verify};
use rkexec_handover::list::ListFault;

use crate::arena::{entry, list, page, Arena, PAGES};

/// A valid image: list pages, and runs of pages none of which is used twice.
#[derive(Clone, Debug)]
struct Image {
    entries: Vec<Entry>,
    per_page: usize,
    list_pages: Vec<u64>,
}

/// What a run is to be: copied from elsewhere, in place, or zeros.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Copy,
    InPlace,
    Zero,
}

/// Runs of one to three pages in blocks of three, dealt out in random order.
fn images() -> impl Strategy<Value = Image> {
    let blocks: Vec<u64> = (0..(PAGES - 2) / 3).map(|block| page(block * 3)).collect();
    let kind = prop_oneof![3 => Just(Kind::Copy), 1 => Just(Kind::InPlace), 1 => Just(Kind::Zero)];
    let runs = prop::collection::vec((kind, 1..=3u64), 1..8);
    (Just(blocks).prop_shuffle(), runs, 1..=ENTRIES_PER_PAGE).prop_map(|(blocks, runs, most)| {
        let mut blocks = blocks.into_iter();
        // Two for each of seven runs, and six more.
        let mut block = move || blocks.next().expect("there are 20");
        let entries: Vec<_> = runs
            .into_iter()
            .map(|(kind, pages)| {
                let dst = block();
                let src = match kind {
                    Kind::Copy => block(),
                    Kind::InPlace => dst,
                    Kind::Zero => 0,
                };
                entry(dst, src, pages * 4096)
            })
            .collect();
        // At most six list pages: there are that many blocks left.
        let per_page = most.max(entries.len().div_ceil(6));
        let list_pages = (0..entries.len().div_ceil(per_page))
            .map(|_| block())
            .collect();
        Image {
            entries,
            per_page,
            list_pages,
        }
    })
}

proptest! {
    #[test]
    fn an_image_is_verified_and_put_in_place(image in images()) {
        let mut arena = Arena::new();
        let params = arena.write_list(&image.entries, image.per_page, &image.list_pages);
        let list = list(&params).unwrap();
        let before = arena.all().to_vec();
        let after = arena.with_image(&image.entries);

        prop_assert_eq!(list.verify(&arena, &params.list_digest), Ok(()));
        prop_assert!(arena.all() == before, "verifying writes nothing");

        let bytes = |is_there: fn(&&Entry) -> bool| -> u64 {
            image.entries.iter().filter(is_there).map(|e| e.len).sum()
        };
        let copied = bytes(|e| e.src != 0 && e.src != e.dst);
        prop_assert_eq!(place(&list, &mut arena), Ok(copied));
        prop_assert!(arena.all() == after);

        prop_assert_eq!(verify(&list, &arena, &params.image_digest), Ok(bytes(|e| e.src != 0)));
        prop_assert!(arena.all() == after, "verifying writes nothing");
    }

    #[test]
    fn one_changed_bit_in_a_source_is_found(image in images(), which: usize, bit in 0..8) {
        let mut arena = Arena::new();
        let params = arena.write_list(&image.entries, image.per_page, &image.list_pages);
        let list = list(&params).unwrap();
        let sources: Vec<u64> = image
            .entries
            .iter()
            .filter(|entry| entry.src != 0)
            .flat_map(|entry| entry.src..entry.src + entry.len)
            .collect();
        prop_assume!(!sources.is_empty());
        let offset = (sources[which % sources.len()] - page(0)) as usize;
        arena.all_mut()[offset] ^= 1u8 << bit;
        prop_assert!(place(&list, &mut arena).is_ok());
        prop_assert_eq!(verify(&list, &arena, &params.image_digest), Err(Fault::Image));
    }

    /// What writes to data that is in its place already: a device, or the monitor.
    #[test]
    fn one_changed_bit_in_a_destination_is_found(image in images(), which: usize, bit in 0..8) {
        let mut arena = Arena::new();
        let params = arena.write_list(&image.entries, image.per_page, &image.list_pages);
        let list = list(&params).unwrap();
        let data: Vec<u64> = image
            .entries
            .iter()
            .filter(|entry| entry.src != 0)
            .flat_map(|entry| entry.dst..entry.dst + entry.len)
            .collect();
        prop_assume!(!data.is_empty());
        prop_assert!(place(&list, &mut arena).is_ok());
        let offset = (data[which % data.len()] - page(0)) as usize;
        arena.all_mut()[offset] ^= 1u8 << bit;
        prop_assert_eq!(verify(&list, &arena, &params.image_digest), Err(Fault::Image));
    }

    #[test]
    fn the_order_of_the_data_counts(picked in subsequence(vec![30, 31, 32, 33, 34, 35], 2..6)) {
        let mut arena = Arena::new();
        let entries: Vec<_> = picked
            .iter()
            .map(|&src| entry(page(src - 20), page(src), 4096))
            .collect();
        let reversed: Vec<_> = entries.iter().rev().copied().collect();
        let good = arena.write_list(&entries, ENTRIES_PER_PAGE, &[page(1)]);
        let params = arena.write_list(&reversed, ENTRIES_PER_PAGE, &[page(1)]);
        let list = list(&params).unwrap();
        prop_assert!(place(&list, &mut arena).is_ok());
        prop_assert_eq!(verify(&list, &arena, &good.image_digest), Err(Fault::Image));
    }
}

#[test]
fn a_bad_entry_is_found_before_anything_is_written() {
    let mut arena = Arena::new();
    let good = entry(page(10), page(20), 4096);
    let bad = entry(page(10), page(20), 1);
    let params = arena.write_list(&[good, bad], ENTRIES_PER_PAGE, &[page(1)]);
    let list = list(&params).unwrap();
    let verified = list.verify(&arena, &params.list_digest);
    assert_eq!(verified, Err(ListFault::Pages));
}

#[test]
fn a_list_overwritten_by_its_own_image_is_noticed() {
    let mut arena = Arena::new();
    let over_the_list = entry(page(1), page(20), 4096);
    let next = entry(page(10), page(21), 4096);
    let params = arena.write_list(&[over_the_list, next], ENTRIES_PER_PAGE, &[page(1)]);
    let list = list(&params).unwrap();
    assert_eq!(list.verify(&arena, &params.list_digest), Ok(()));
    assert!(place(&list, &mut arena).is_err());
}
