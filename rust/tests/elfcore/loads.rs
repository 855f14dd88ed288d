//! The pieces of memory: of real machines, and of random ones.

use proptest::prelude::*;
use rkexec::abi::handover::LOW_BYTES;
use rkexec::elfcore::{ElfCoreError, Load, Loads};
use rkexec::memmap::{E820Type, MapEntry};

use super::memory::checked;
use crate::common::{entry, ma, range, MIB};
use crate::identity::maps;

fn load(start: u64, end: u64, saved_at: u64) -> Load {
    Load {
        range: range(start, end),
        saved_at: ma(saved_at),
    }
}

/// The machine of a crash that was measured (2 GiB, `crashkernel=256M`): with kexec-tools
/// `/proc/vmcore` has these pieces.
#[test]
fn a_machine_as_kexec_tools_describes_it() {
    let map = [
        entry(0, 0x9_fc00, E820Type::Ram),
        entry(0x9_fc00, 0xa_0000, E820Type::Reserved),
        entry(0xf_0000, 0x10_0000, E820Type::Reserved),
        entry(0x10_0000, 0x7ffe_0000, E820Type::Ram),
        entry(0x7ffe_0000, 0x8000_0000, E820Type::Reserved),
    ];
    let crash = range(0x68f4_6000, 0x78f4_6000);
    let backup = ma(0x78e0_0000);
    let expected = [
        load(0, 0x9_fc00, 0x78e0_0000),
        load(0x10_0000, 0x68f4_6000, 0x10_0000),
        load(0x78f4_6000, 0x7ffe_0000, 0x78f4_6000),
    ];
    assert_eq!(checked(&map, crash, Some(backup)), expected);
    let in_place = checked(&map, crash, None);
    assert_eq!(in_place[0], load(0, 0x9_fc00, 0));
    assert_eq!(in_place[1..], expected[1..]);
}

#[test]
fn memory_across_the_end_of_low_memory_is_cut_there() {
    let map = [entry(0x1000, 0x20_0000, E820Type::Ram)];
    let crash = range(0x100_0000, 0x200_0000);
    let loads = checked(&map, crash, Some(ma(0x100_0000)));
    let low = load(0x1000, LOW_BYTES, 0x100_1000);
    let high = load(LOW_BYTES, 0x20_0000, LOW_BYTES);
    assert_eq!(loads, [low, high]);
    assert_eq!(checked(&map, crash, None).len(), 1);
}

#[test]
fn no_byte_of_a_real_machine_is_missed() {
    let maps = maps::all();
    assert_eq!(maps.len(), 46);
    for map in maps {
        println!("{}", map.name);
        let ram = map.entries.iter().filter(|e| e.kind() == E820Type::Ram);
        let largest = ram.max_by_key(|e| e.len_bytes).expect("memory");
        let (start, end) = (largest.start, largest.start + largest.len_bytes);
        let middle = (start + largest.len_bytes / 2) & !0xfff;
        let area = |start| range(start, start + 64 * MIB);
        for crash in [
            area(middle),
            area(start),
            area(end - 64 * MIB),
            range(start, end),
        ] {
            let total = |loads: &[Load]| loads.iter().map(|l| l.range.len_bytes()).sum::<u64>();
            let expected = maps::ram_bytes(&map.entries) - crash.len_bytes();
            let backup = crash.start().align_up(4096);
            assert_eq!(total(&checked(&map.entries, crash, backup)), expected);
            assert_eq!(total(&checked(&map.entries, crash, None)), expected);
        }
    }
}

#[test]
fn the_backup_is_whole_pages_in_the_crash_area() {
    let crash = range(0x100_0000, 0x200_0000);
    let last = 0x200_0000 - LOW_BYTES;
    for good in [0x100_0000, 0x123_4000, last] {
        assert!(Loads::new(&[], crash, Some(ma(good))).is_ok());
    }
    for bad in [0, 0xff_f000, last + 0x1000, 0x123_4800, 1 << 52] {
        let at = ma(bad);
        let refused = Loads::new(&[], crash, Some(at)).unwrap_err();
        assert_eq!(refused, ElfCoreError::Backup { at });
    }
}

/// A sorted map: entries of all kinds side by side, with holes between some.
fn sorted_map() -> impl Strategy<Value = Vec<MapEntry>> {
    let kind = prop_oneof![3 => Just(E820Type::Ram), 1 => Just(E820Type::Reserved), 1 => Just(E820Type::Acpi)];
    let entries = prop::collection::vec((0..0x8_0000u64, 1..0x20_0000u64, kind), 0..20);
    (any::<bool>(), entries).prop_map(|(adjacent, entries)| {
        let mut end = 0;
        let next = |(gap, len, kind)| {
            let start = end + if adjacent { 0 } else { gap };
            end = start + len;
            entry(start, end, kind)
        };
        entries.into_iter().map(next).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn every_byte_outside_the_crash_area_is_in_one_load(
        map in sorted_map(),
        crash in (0..0x800u64, 160..0x400u64),
        backup: bool,
    ) {
        let crash = range(crash.0 << 12, (crash.0 + crash.1) << 12);
        let loads = checked(&map, crash, backup.then_some(crash.start()));
        // Nothing is cut that need not be.
        let ram = map.iter().filter(|e| e.kind() == E820Type::Ram).count();
        prop_assert!(loads.len() <= ram + 2);
        prop_assert!(loads.is_sorted_by_key(|load| load.range.start()));
    }
}
