//! A place for a segment: where the kernel's own search finds it, page by page.

use itertools::Itertools;
use rkexec::mem_hole::{find, lowest, Constraints, End};
use rkexec::range::MaRange;

use crate::common::{ma, range};
use crate::oracle::kernel;
use crate::{Bytes, Input};

/// The kernel's search takes a step for each page.
const MEMORY: u32 = 1 << 22;

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let any_numbers = input.number();
    let from = match input.number() {
        true => End::Top,
        false => End::Bottom,
    };
    let shift: u8 = input.up_to(64);
    let [bytes, min, max] = [0; 3].map(|_| u64::from(input.number::<u32>() % MEMORY));
    let mut constraints = Constraints {
        bytes,
        align: 1u64.checked_shl((shift % 24).into()).expect("below 64"),
        min,
        max: if max == 0 { u64::MAX } else { max },
        from,
    };
    if any_numbers {
        constraints.align = 1u64.checked_shl(shift.into()).unwrap_or(0);
        [constraints.bytes, constraints.min, constraints.max] =
            [0; 3].map(|_| input.number::<u64>());
        check(&constraints, &input.ranges(8), &input.ranges(8));
        return;
    }
    let mut places = |most| {
        let count = input.up_to(most);
        let places = (0..count).map(|_| u64::from(input.number::<u32>() % MEMORY));
        places.collect_vec()
    };
    let edges = places(16).into_iter().sorted().tuples();
    let ranges = edges.map(|(start, end)| range(start, end)).collect_vec();
    let taken = places(16).into_iter().tuples();
    let taken = taken.map(|(a, b): (u64, u64)| range(a.min(b), a.max(b))).collect_vec();
    check(&constraints, &ranges, &taken);
    // The kernel's ranges are never empty, nor is a segment; and it takes the bounds for such.
    let is_sane = constraints.min <= constraints.max
        && constraints.bytes > 0
        && !ranges.iter().chain(&taken).any(|range| range.is_empty());
    if is_sane {
        let found = find(&constraints, &ranges, &taken).map(|at| at.raw());
        assert_eq!(found, kernel::find(&constraints, &ranges, &taken), "{constraints:x?}");
    }
}

/// What is found is as it was asked for.
fn check(constraints: &Constraints, ranges: &[MaRange], taken: &[MaRange]) {
    if let Some(start) = find(constraints, ranges, taken) {
        let place = MaRange::from_len(start, constraints.bytes).expect("a range");
        assert!(constraints.align.is_power_of_two() && start.is_aligned(constraints.align));
        assert!(start.raw() >= constraints.min);
        assert!(place.is_empty() || place.end().raw() - 1 <= constraints.max);
        assert!(ranges.iter().any(|range| range.covers(place)));
        assert!(!taken.iter().any(|range| range.overlaps(place)));
    }
    let area = ranges.first().copied().unwrap_or(MaRange::empty_at(ma(0)));
    if let Some(place) = lowest(constraints.bytes, area, taken) {
        assert!(area.covers(place) && !taken.iter().any(|range| range.overlaps(place)));
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let number = |to: Bytes, number: u32| to.bytes(&number.to_le_bytes());
    let numbers = |to: Bytes, some: &[u32]| some.iter().fold(to, |to, &it| number(to, it));
    let ends = [0u8, 1].map(|top| {
        let to = Bytes::new().byte(0).byte(top).byte(12);
        let to = numbers(to, &[0x3000, 0x1000, 0x3f_ffff]).byte(4);
        let to = numbers(to, &[0, 0x9_f000, 0x10_0000, 0x30_0000]).byte(4);
        numbers(to, &[0x1000, 0x5000, 0x2f_0000, 0x30_0000]).0
    });
    let any = Bytes::new().byte(1).byte(1).byte(12);
    let any = numbers(any, &[0; 3]).word(4096).word(0).word(u64::MAX);
    let maps = crate::input::real_maps().into_iter().take(2);
    let any = maps.fold(any, |to, map| to.map(&map.entries[..map.entries.len().min(8)]));
    [&ends[..], &[any.0]].concat()
}
