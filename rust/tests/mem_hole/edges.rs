//! Places worked out by hand.

use rkexec::addr::{Maddr, PHYS_END};
use rkexec::mem_hole::{find, lowest, Constraints, End};
use rkexec::range::MaRange;

use crate::common::{range, MIB};

fn constraints(bytes: u64, from: End) -> Constraints {
    Constraints {
        bytes,
        align: 4096,
        min: 0,
        max: u64::MAX,
        from,
    }
}

fn at(constraints: &Constraints, ranges: &[MaRange], taken: &[MaRange]) -> Option<u64> {
    find(constraints, ranges, taken).map(Maddr::raw)
}

/// What `bzImage64_load` asks for in a crash area of 16 MiB: purgatory and boot parameters at the
/// top, the kernel at the bottom.
#[test]
fn a_crash_image_fills_its_area_from_both_ends() {
    let area = [range(0x6800_0000, 0x6900_0000)];
    let mut taken = vec![];
    let mut add = |constraints: Constraints| {
        let start = find(&constraints, &area, &taken)?;
        taken.push(MaRange::from_len(start, constraints.bytes)?);
        Some(start.raw())
    };
    assert_eq!(add(constraints(0x5000, End::Top)), Some(0x68ff_b000));
    assert_eq!(add(constraints(0x4000, End::Top)), Some(0x68ff_7000));
    let kernel = Constraints {
        align: 2 * MIB,
        min: MIB,
        ..constraints(9 * MIB, End::Bottom)
    };
    assert_eq!(add(kernel), Some(0x6800_0000));
    assert_eq!(add(constraints(0x6f_7000, End::Top)), Some(0x6890_0000));
    assert_eq!(add(constraints(0x1000, End::Top)), None);
    assert_eq!(add(constraints(0x1000, End::Bottom)), None);
}

#[test]
fn the_last_range_is_the_first_from_the_top() {
    let ranges = [(0, 0x4000), (0x8000, 0xc000), (0xf000, 0x10000)];
    let ranges = ranges.map(|(start, end)| range(start, end));
    for (bytes, bottom, top) in [
        (0x1000, Some(0), Some(0xf000)),
        (0x2000, Some(0), Some(0xa000)),
        (0x4000, Some(0), Some(0x8000)),
        (0x4001, None, None),
    ] {
        assert_eq!(at(&constraints(bytes, End::Bottom), &ranges, &[]), bottom);
        assert_eq!(at(&constraints(bytes, End::Top), &ranges, &[]), top);
    }
}

#[test]
fn min_and_max_are_both_allowed() {
    let ranges = [range(0x1000, 0x9000)];
    let exact = Constraints {
        min: 0x3000,
        max: 0x4fff,
        ..constraints(0x2000, End::Top)
    };
    assert_eq!(at(&exact, &ranges, &[]), Some(0x3000));
    let min = 0x3001;
    assert_eq!(at(&Constraints { min, ..exact }, &ranges, &[]), None);
    let max = 0x4ffe;
    assert_eq!(at(&Constraints { max, ..exact }, &ranges, &[]), None);
    let (min, max) = (0x5000, 0x4fff);
    assert_eq!(at(&Constraints { min, max, ..exact }, &ranges, &[]), None);
}

#[test]
fn the_ends_of_the_address_space() {
    let all = [range(0, PHYS_END)];
    let last = PHYS_END - 4096;
    assert_eq!(at(&constraints(4096, End::Top), &all, &[]), Some(last));
    assert_eq!(at(&constraints(PHYS_END, End::Top), &all, &[]), Some(0));
    assert_eq!(at(&constraints(PHYS_END + 1, End::Top), &all, &[]), None);
    assert_eq!(at(&constraints(u64::MAX, End::Bottom), &all, &[]), None);
    // The kernel would go on below 0, and find a place there.
    let low = range(0, 0x1000);
    assert_eq!(at(&constraints(0x1000, End::Top), &[low], &[low]), None);
    assert_eq!(at(&constraints(4096, End::Bottom), &all, &all), None);
    let below_its_length = Constraints {
        max: 0x7ff,
        ..constraints(0x1000, End::Top)
    };
    assert_eq!(at(&below_its_length, &all, &[]), None);
}

#[test]
fn an_alignment_that_is_none_has_no_place() {
    for align in [0, 3, 0x1800, u64::MAX] {
        let constraints = Constraints {
            align,
            ..constraints(0x1000, End::Bottom)
        };
        assert_eq!(at(&constraints, &[range(0, 0x10_0000)], &[]), None);
    }
}

#[test]
fn the_lowest_place_is_on_a_page_and_avoids_what_is_taken() {
    let area = range(0x1_0800, 0x2_0000);
    let taken = [range(0x1_4000, 0x1_5001), range(0x1_1000, 0x1_2000)];
    let lowest = |bytes| lowest(bytes, area, &taken);
    assert_eq!(lowest(0x1000), Some(range(0x1_2000, 0x1_3000)));
    assert_eq!(lowest(0x3000), Some(range(0x1_6000, 0x1_9000)));
    assert_eq!(lowest(0xa000), Some(range(0x1_6000, 0x2_0000)));
    assert_eq!(lowest(0xa001), None);
}
