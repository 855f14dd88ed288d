//! The pages that tables are in.

use std::collections::BTreeSet;

use itertools::Itertools;
use proptest::prelude::*;
use rkexec::acpi::TablePages;
use rkexec::range::MaRange;

use crate::common::range;

fn from_len(start: u64, len: u64) -> MaRange {
    range(start, start + len)
}

#[test]
fn tables_beside_each_other_are_one_piece() {
    let mut pages = TablePages::new();
    let tables = [
        (0x1_0040, 36),
        (0x1_2fff, 2),
        (0x1_1100, 0x1000),
        (0x1_0100, 1),
    ];
    for (start, len) in tables {
        assert!(pages.add(from_len(start, len)));
    }
    assert_eq!(pages.as_slice(), [from_len(0x1_0000, 0x4000)]);
}

#[test]
fn more_pieces_than_there_is_room_for_are_left_out() {
    let mut pages = TablePages::new();
    let most = TablePages::MOST as u64;
    for nr in 0..most {
        assert!(pages.add(from_len(nr * 0x2000, 1)));
    }
    let before = pages.as_slice().to_vec();
    assert!(!pages.add(from_len(most * 0x2000, 1)));
    assert_eq!(pages.as_slice(), before);
    // What touches a piece has a place, and makes more.
    assert!(pages.add(from_len(0x1000, 1)));
    assert!(pages.add(from_len(most * 0x2000, 1)));
}

proptest! {
    #[test]
    fn every_page_is_there_once_and_no_other(
        tables in prop::collection::vec((0u64..64 << 12, 1u64..3 << 12), 0..40),
    ) {
        let mut pages = TablePages::new();
        let mut model = BTreeSet::new();
        for (start, len) in tables {
            prop_assert!(pages.add(from_len(start, len)));
            model.extend(start >> 12..=(start + len - 1) >> 12);
        }
        let list = pages.as_slice().iter();
        let list = list.flat_map(|it| it.start().raw() >> 12..it.end().raw() >> 12);
        prop_assert!(list.sorted().eq(model));
    }
}
