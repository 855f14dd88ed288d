//! All rules on generated maps.
//!
//! Uniformly random ranges would hardly ever touch. These have their edges near few places, which
//! are those where something changes: page sizes, tables, what levels reach, the ends.

use proptest::prelude::*;
use proptest::sample::select;
use rkexec::memmap::MapEntry;

use super::model::{Input, END};
use super::rules;
use crate::common::{raw_entry, GIB, MIB};

const TIB: u64 = 1 << 40;

/// A place where ranges may begin or end.
fn place() -> impl Strategy<Value = u64> {
    let low = vec![0, 0xa_0000, MIB, 2 * MIB, 4 * MIB, 6 * MIB];
    let middle = vec![GIB - 2 * MIB, GIB, GIB + 2 * MIB, 2 * GIB, 3 * GIB, 4 * GIB];
    let high = vec![512 * GIB, TIB, 2 * TIB];
    let far = vec![128 * TIB, 256 * TIB, END - GIB, END - 2 * MIB, END];
    prop_oneof![
        8 => select(low),
        8 => select(middle),
        2 => select(high),
        1 => select(far),
        2 => 0..8 * GIB,
    ]
}

/// How far from the place: not at all, pages, parts of pages.
fn offset() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => Just(0),
        3 => (-4i64..=4).prop_map(|pages| pages * 4096),
        2 => -10_000i64..=10_000,
        1 => (-2i64..=2).prop_map(|pages| pages * (2 << 20)),
    ]
}

fn edge() -> impl Strategy<Value = u64> {
    (place(), offset()).prop_map(|(place, offset)| place.saturating_add_signed(offset).min(END))
}

/// Two edges, in order; often of the same range of memory.
fn range() -> impl Strategy<Value = (u64, u64)> {
    let long = (edge(), edge());
    let short = (edge(), 0u64..5 * 4096).prop_map(|(start, len)| (start, (start + len).min(END)));
    prop_oneof![3 => long, 2 => short].prop_map(|(a, b)| (a.min(b), a.max(b)))
}

/// What is asked for, not so far up that it takes millions of tables.
fn asked() -> impl Strategy<Value = (u64, u64)> {
    range().prop_map(|(start, end)| (start, end.min(start.saturating_add(16 * GIB))))
}

fn entry() -> impl Strategy<Value = MapEntry> {
    let kind = prop_oneof![
        10 => Just(1u32),
        6 => select(vec![0, 2, 5, 7, 12, 20, u32::MAX]),
        2 => select(vec![3, 4]),
    ];
    (range(), kind).prop_map(|((start, end), kind)| raw_entry(start, end - start, kind))
}

prop_compose! {
    fn input()(
        entries in prop::collection::vec(entry(), 0..16),
        write_back in prop::collection::vec(asked(), 0..4),
        uncached in prop::collection::vec(asked(), 0..3),
    ) -> Input {
        Input { entries, write_back, uncached }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn every_rule_holds_for_every_map(
        input in input(),
        destinations in prop::collection::vec((0u64..256 * MIB, 0u64..32 * MIB), 0..3),
    ) {
        let destinations: Vec<_> = destinations.iter().map(|&(at, len)| (at, at + len)).collect();
        rules::check_avoiding(&input, &destinations);
    }

    #[test]
    fn the_order_of_the_ranges_does_not_matter(
        (input, shuffled) in input().prop_flat_map(|input| {
            let shuffled = Just(input.entries.clone()).prop_shuffle();
            (Just(input), shuffled)
        }),
    ) {
        let other = Input { entries: shuffled, ..input.clone() };
        prop_assert_eq!(rules::stretches(&input), rules::stretches(&other));
    }

    #[test]
    fn saying_it_twice_changes_nothing(input in input()) {
        let mut twice = input.clone();
        twice.entries.extend(&input.entries);
        twice.write_back.extend(&input.write_back);
        twice.uncached.extend(&input.uncached);
        prop_assert_eq!(rules::stretches(&input), rules::stretches(&twice));
    }
}
