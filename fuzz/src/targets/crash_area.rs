//! The memory map of a crash kernel: of the area no byte that is kept from it, and all others.

use itertools::Itertools;
use rkexec::crash_area::{free_pages, memory_map, xen_pages, LOW_END};
use rkexec::memmap::{E820Type, MapEntry};

use crate::common::range;
use crate::input::real_maps;
use crate::{Bytes, Input};

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let swapped = input.number();
    // The area, and in it two pieces that are kept.
    let cuts = [0; 6].map(|_| u64::from(input.number::<u32>()) << 8);
    let [start, a, b, c, d, end] = {
        let mut cuts = cuts;
        cuts.sort_unstable();
        cuts
    };
    let (area, first, second) = (range(start, end), range(a, b), range(c, d));
    let machine = input.map(48);
    let kept = if swapped { [second, first] } else { [first, second] };

    let map = memory_map(&machine, area, kept).collect_vec();
    let (ram, others): (Vec<MapEntry>, Vec<_>) =
        map.into_iter().partition(|entry| entry.kind() == E820Type::Ram);
    let expected = machine.iter().filter(|entry| entry.kind() != E820Type::Ram);
    assert!(others.iter().eq(expected), "what is not RAM stays");
    let mut bytes = 0;
    for entry in ram {
        let range = entry.range();
        assert!(!range.is_empty());
        let low = machine.iter().filter(|of| of.kind() == E820Type::Ram);
        let is_low = low.clone().any(|of| of.range().covers(range)) && range.end() <= LOW_END;
        let is_free = area.covers(range) && !kept.iter().any(|kept| kept.overlaps(range));
        assert!(is_low || is_free, "{range}");
        bytes += range.len_bytes();
    }
    let all = area.len_bytes() - first.len_bytes() - second.len_bytes();
    assert!(bytes >= all, "all that is free");

    let ranges = input.ranges(8);
    let sum = xen_pages(ranges.iter().copied());
    assert!(sum >= 12 && xen_pages(ranges.iter().copied().chain([area])) >= sum);
    let free = free_pages(area, ranges.into_iter());
    assert!(free <= area.len_bytes() / 4096);
    assert_eq!(free_pages(area, kept.into_iter()), all / 4096);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let maps = real_maps().into_iter();
    let seed = |map: formats::e820::Machine| {
        let cuts = [0x60_0000u32, 0x60_1000, 0x60_a000, 0x61_0000, 0x61_8000, 0x70_0000];
        let to = cuts.iter().fold(Bytes::new().byte(0), |to, cut| to.bytes(&cut.to_le_bytes()));
        to.map(&map.entries).map(&map.entries[..1]).0
    };
    maps.map(seed).collect()
}
