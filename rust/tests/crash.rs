//! The crash kernel's memory map, and what Xen needs of the area.

use std::collections::HashSet;

use itertools::Itertools;
use proptest::prelude::*;
use rkexec::addr::PAGE_SIZE;
use rkexec::crash_area::{free_pages, memory_map, xen_pages};
use rkexec::memmap::{E820Type, MapEntry};
use rkexec::range::MaRange;

use crate::common::{entry, pages, range, raw_entry, MIB};

/// A machine of 2 GiB as SeaBIOS tells of it.
fn machine() -> Vec<MapEntry> {
    vec![
        entry(0, 0x9fc00, E820Type::Ram),
        entry(0x9fc00, 0xa0000, E820Type::Reserved),
        entry(0xf0000, MIB, E820Type::Reserved),
        entry(MIB, 0x7ffe_0000, E820Type::Ram),
        entry(0x7ffe_0000, 0x8000_0000, E820Type::Acpi),
        entry(0xfec0_0000, 0xfec0_1000, E820Type::Reserved),
    ]
}

#[test]
fn the_crash_kernel_has_the_area_the_low_ram_and_all_that_is_not_ram() {
    let area = range(0x6000_0000, 0x7000_0000);
    let kept = [
        range(0x6010_0000, 0x601a_0000),
        range(0x6000_0000, 0x600e_1000),
    ];
    let map = memory_map(&machine(), area, kept).sorted_by_key(|entry| entry.start);
    // Instead of the RAM from 1 MiB on, the rest of the area.
    let rest = [
        entry(0x600e_1000, 0x6010_0000, E820Type::Ram),
        entry(0x601a_0000, 0x7000_0000, E820Type::Ram),
    ];
    let expected = [&machine()[..3], &rest, &machine()[4..]].concat();
    assert_eq!(map.collect_vec(), expected);
}

#[test]
fn ram_that_goes_on_past_one_mib_is_low_up_to_there() {
    let whole = [entry(0x1000, 1 << 30, E820Type::Ram)];
    let area = range(64 * MIB, 128 * MIB);
    let kept = [range(64 * MIB, 65 * MIB), range(127 * MIB, 128 * MIB)];
    let low = entry(0x1000, MIB, E820Type::Ram);
    let rest = entry(65 * MIB, 127 * MIB, E820Type::Ram);
    let map = memory_map(&whole, area, kept).collect_vec();
    assert_eq!(map, [low, rest]);
}

/// The tables that map these ranges page by page, counted one by one.
fn tables(ranges: &[MaRange]) -> u64 {
    let mut tables = HashSet::new();
    for range in ranges {
        for at in (range.start().raw()..range.end().raw()).step_by(PAGE_SIZE as usize) {
            tables.extend([21, 30, 39].map(|shift| (shift, at >> shift)));
        }
    }
    1 + tables.len() as u64
}

fn ranges() -> impl Strategy<Value = Vec<MaRange>> {
    let range = (0..1u64 << 28, 1..2000u64).prop_map(|(page, nr)| pages(page, nr));
    proptest::collection::vec(range, 0..12)
}

proptest! {
    #[test]
    fn xen_is_left_as_many_pages_as_it_can_need(ranges in ranges(), code in 0..1u64 << 28) {
        let needed = xen_pages(ranges.iter().copied());
        // Xen maps two pages of its own as well, which may be anywhere, and one of them twice.
        let mut all = ranges;
        all.extend([pages(code, 1), pages(code ^ (1 << 27), 1)]);
        let in_xen = 0x82d0_4020_0000;
        all.push(range(in_xen, in_xen + PAGE_SIZE));
        prop_assert!(needed >= tables(&all) + 2, "{needed} of {}", tables(&all) + 2);
    }

    #[test]
    fn no_byte_of_the_kept_ones_is_the_crash_kernels_to_use(
        area in (0x1000..0x10_0000u64, 16..4096u64),
        cuts in prop::array::uniform4(0..24u64),
        swapped: bool,
    ) {
        let at = |page: u64| (area.0 + page) * PAGE_SIZE;
        let cuts = cuts.into_iter().sorted().map(|page| at(page.min(area.1)));
        let (first, second) = cuts.tuples().map(|(start, end)| range(start, end)).collect_tuple().expect("two");
        let kept = if swapped { [second, first] } else { [first, second] };
        let whole = range(at(0), at(area.1));
        let map = memory_map(&[], whole, kept).collect_vec();
        let bytes: u64 = map.iter().map(|entry| entry.len_bytes).sum();
        for entry in &map {
            prop_assert!(whole.covers(entry.range()));
            prop_assert!(!kept.iter().any(|kept| kept.overlaps(entry.range())));
        }
        prop_assert_eq!(bytes, whole.len_bytes() - first.len_bytes() - second.len_bytes());
        prop_assert_eq!(free_pages(whole, kept.into_iter()) * PAGE_SIZE, bytes);
    }

    #[test]
    fn hostile_maps_do_no_harm(
        entries in proptest::collection::vec((any::<u64>(), any::<u64>(), 0..8u32), 0..20),
        area in (any::<u32>(), any::<u32>()),
    ) {
        let entry = |(start, len, kind)| raw_entry(start, len, kind);
        let map = entries.into_iter().map(entry).collect_vec();
        let start = u64::from(area.0);
        let area = range(start, start + u64::from(area.1));
        let kept = [range(start, start), range(start, start)];
        for entry in memory_map(&map, area, kept).filter(|entry| entry.kind() == E820Type::Ram) {
            let low = entry.start + entry.len_bytes <= MIB;
            prop_assert!(low || area.covers(entry.range()), "{entry:?}");
        }
    }
}
