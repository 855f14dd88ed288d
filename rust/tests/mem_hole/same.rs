//! The same place as the kernel's, on random memory.

use itertools::Itertools;
use proptest::prelude::*;
use rkexec::addr::Maddr;
use rkexec::mem_hole::{find, lowest, Constraints, End};
use rkexec::range::MaRange;

use super::kernel;
use crate::common::{pages as whole_pages, range};

/// Addresses on and next to pages of a small memory.
fn address() -> impl Strategy<Value = u64> {
    (0..96u64, prop_oneof![4 => Just(0), 1 => 0..4096u64])
        .prop_map(|(page, byte)| page * 4096 + byte)
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![4 => (1..12u64).prop_map(|pages| pages * 4096), 1 => 0..40_000u64]
}

/// Disjoint ranges in ascending order, some of them neighbours.
fn ranges() -> impl Strategy<Value = Vec<MaRange>> {
    prop::collection::btree_set(address(), 2..10).prop_flat_map(|cuts| {
        let pairs = cuts.into_iter().tuple_windows();
        let between = pairs.map(|(start, end)| range(start, end)).collect_vec();
        let len = between.len();
        prop::sample::subsequence(between, 1..=len)
    })
}

/// Segments, in any order; the kernel's do not overlap, but nothing is lost if they do.
fn taken() -> impl Strategy<Value = Vec<MaRange>> {
    let segment = (address(), 1..8u64 * 4096).prop_map(|(start, len)| range(start, start + len));
    prop::collection::vec(segment, 0..8)
}

prop_compose! {
    fn constraints()(
        bytes in length(),
        shift in 0..18u32,
        min in prop_oneof![Just(0), address()],
        max in prop_oneof![Just(u64::MAX), address()],
        from in prop_oneof![Just(End::Bottom), Just(End::Top)],
    ) -> Constraints {
        Constraints { bytes, align: 1 << shift, min, max, from }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_place_is_the_kernel_s(
        constraints in constraints(),
        ranges in ranges(),
        taken in taken(),
    ) {
        prop_assume!(constraints.min <= constraints.max);
        let found = find(&constraints, &ranges, &taken).map(Maddr::raw);
        prop_assert_eq!(found, kernel::find(&constraints, &ranges, &taken));
    }

    #[test]
    fn a_place_is_free_and_as_asked_for(
        constraints in constraints(),
        ranges in ranges(),
        taken in taken(),
    ) {
        if let Some(start) = find(&constraints, &ranges, &taken) {
            let place = MaRange::from_len(start, constraints.bytes).unwrap();
            prop_assert!(start.is_aligned(constraints.align));
            prop_assert!(start.raw() >= constraints.min);
            prop_assert!(place.is_empty() || place.end().raw() - 1 <= constraints.max);
            prop_assert!(ranges.iter().any(|range| range.covers(place)));
            prop_assert!(!taken.iter().any(|range| range.overlaps(place)));
        }
    }

    #[test]
    fn the_lowest_place_is_the_first_that_is_free(
        pages in 1..12u64,
        whole in ranges(),
        taken in taken(),
    ) {
        let bytes = pages * 4096;
        let naive = (0..108u64)
            .map(|page| whole_pages(page, pages))
            .find(|place| whole[0].covers(*place) && !taken.iter().any(|t| t.overlaps(*place)));
        prop_assert_eq!(lowest(bytes, whole[0], &taken), naive);
    }

    #[test]
    fn no_numbers_are_too_wild(
        constraints in (any::<[u64; 4]>(), any::<bool>(), 0..65u32),
        edges in prop::collection::vec((0..=1u64 << 52, 0..=1u64 << 52), 0..8),
        taken in taken(),
    ) {
        let ([bytes, align, min, max], top, shift) = constraints;
        let ranges: Vec<_> = edges.iter().map(|&(a, b)| range(a.min(b), a.max(b))).collect();
        let constraints = Constraints {
            bytes: bytes >> (shift % 64),
            align: 1u64.checked_shl(shift).unwrap_or(align),
            min: min >> (shift / 2),
            max,
            from: if top { End::Top } else { End::Bottom },
        };
        let found = find(&constraints, &ranges, &[&taken[..], &ranges[..]].concat());
        prop_assert!(found.is_none() || constraints.bytes == 0, "all is taken");
        if let Some(start) = find(&constraints, &ranges, &taken) {
            let place = MaRange::from_len(start, constraints.bytes).unwrap();
            prop_assert!(ranges.iter().any(|range| range.covers(place)));
        }
    }
}
