//! Maps that no hypervisor should give.

use itertools::{iproduct, Itertools};
use proptest::prelude::*;
use rkexec::addr::PHYS_END;
use rkexec::elfcore::{ElfCore, Loads};
use rkexec::memmap::E820Type;

use super::memory::checked;
use crate::common::{entry, hostile_numbers, range, raw_entry};

#[test]
fn numbers_at_the_end_of_everything() {
    let areas = [range(0, 0), range(0, PHYS_END), range(0xf_f000, 0x200_0000)];
    for (start, len, kind, crash) in iproduct!(hostile_numbers(), hostile_numbers(), [1, 2], areas)
    {
        let odd = raw_entry(start, len, kind);
        let all = entry(0, PHYS_END, E820Type::Ram);
        checked(&[odd], crash, None);
        checked(&[all, odd], crash, None);
        checked(&[odd, all], crash, None);
        if crash.len_bytes() >= 0xa_0000 {
            checked(&[odd, all], crash, crash.start().align_up(4096));
        }
    }
}

#[test]
fn an_empty_map_makes_an_empty_dump() {
    let core = ElfCore {
        direct_map: 0,
        notes: &[],
        loads: Loads::new(&[], range(0, 0), None).unwrap(),
    };
    assert_eq!(core.len_bytes(), Ok(64));
    assert_eq!(core.write(&mut [0; 64]), Ok(64));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn entries_in_no_order_that_overlap(
        entries in prop::collection::vec((0..64u64, 0..32u64, 1..4u32), 0..12),
        crash in (0..64u64, 0..16u64),
    ) {
        let unit = 0x8800;
        let entry = |(start, len, kind)| raw_entry(start * unit, len * unit, kind);
        let map = entries.into_iter().map(entry).collect_vec();
        checked(&map, range(crash.0 * unit, (crash.0 + crash.1) * unit), None);
    }

    #[test]
    fn entries_of_any_numbers(
        entries in prop::collection::vec((any::<u64>(), any::<u64>(), 0..64u32, 1..4u32), 0..12),
    ) {
        let entry = |(start, len, shift, kind)| raw_entry(start >> shift, len >> (shift / 2), kind);
        let map = entries.into_iter().map(entry).collect_vec();
        checked(&map, range(0x1_0000, 0x400_0000), None);
    }
}
