//! Tables that make no sense.

use proptest::prelude::*;
use rkexec::acpi::{self, Memory, RootTable};
use rkexec::addr::Maddr;

use super::firmware::{rsdp_v1, rsdp_v2, rsdt, table, xsdt, Firmware};
use crate::common::{ma, with};

#[test]
fn a_root_pointer_that_is_not_whole_is_not_found() {
    let bios = |rsdp: &[u8]| {
        let area = with(&[0; 0x2_0000], 0x1000, rsdp);
        Firmware::default().with(0xe_0000, area).scan()
    };
    for good in [rsdp_v1(0x2000), rsdp_v2(0x2000, 0x3000)] {
        assert_eq!(bios(&good), Some(0xe_1000));
        for byte in 0..good.len() {
            let mut bad = good.clone();
            bad[byte] ^= 1;
            assert_eq!(bios(&bad), None, "byte {byte}");
        }
    }
}

#[test]
fn a_root_pointer_that_somebody_tells_of_has_to_be_signed_and_no_more() {
    let good = rsdp_v2(0x2000, 0x3000);
    let walk = |rsdp: &[u8]| {
        let firmware = Firmware::default()
            .with(0x1000, rsdp.to_vec())
            .with(0x3000, xsdt(&[]));
        firmware.walk(0x1000).0
    };
    let mut other = good.clone();
    // Both sums, and what says who made it.
    for byte in [8, 9, 32] {
        other[byte] ^= 0x55;
    }
    assert_eq!(walk(&other), [(0x1000, 36), (0x3000, 36)]);
    for byte in 0..8 {
        let mut bad = good.clone();
        bad[byte] ^= 1;
        assert_eq!(walk(&bad), [], "byte {byte}");
    }
    assert_eq!(walk(&good[..35]), []);
    assert_eq!(walk(&good[..19]), []);
}

#[test]
fn a_table_that_makes_no_sense_is_left_out_and_the_others_are_not() {
    let of_bytes = |bytes: u32| with(&table(b"SSDT", &[]), 4, &bytes.to_le_bytes());
    let (long, short) = (of_bytes(u32::MAX), of_bytes(35));
    for bad in [long, short, vec![0xff; 64], vec![0; 64], vec![b'A'; 7]] {
        let firmware = Firmware::v1(&[0x3000, 0, 0x5000, 0x4000])
            .with(0x3000, bad)
            .with(0x4000, table(b"APIC", &[]));
        let (seen, found) = firmware.walk(0x1000);
        assert_eq!(seen, [(0x1000, 20), (0x2000, 52), (0x4000, 36)]);
        // The bad one, and one where there is no memory; 0 is none.
        assert_eq!((found.tables, found.left_out), (2, 2));
    }
}

#[test]
fn a_table_at_the_end_of_all_addresses_is_left_out() {
    const LAST: u64 = (1 << 52) - 8;
    let firmware = Firmware::v2(&[LAST, u64::MAX]).with(LAST, table(b"APIC", &[]));
    let (seen, found) = firmware.walk(0x1000);
    assert_eq!(seen.len(), 2);
    assert_eq!(found.left_out, 1);
}

#[test]
fn a_root_table_is_not_believed_to_be_endless() {
    let root = with(&rsdt(&[0x9_0000; 4096]), 4, &(16u32 << 20).to_le_bytes());
    let firmware = Firmware::default()
        .with(0x1000, rsdp_v1(0x2000))
        .with(0x2000, root)
        .with(0x9_0000, table(b"APIC", &[]));
    let (_, found) = firmware.walk(0x1000);
    assert_eq!(found.tables, 513);
}

#[test]
fn tables_that_name_each_other_come_to_an_end() {
    let firmware = Firmware::default()
        .with(0x1000, rsdp_v2(0x1000, 0x2000))
        .with(0x2000, xsdt(&[0x2000, 0x1000, 0x2000]));
    let (seen, _) = firmware.walk(0x1000);
    assert!(seen.len() < 10, "{seen:?}");
}

/// Memory that has the same bytes over and over.
struct Noise(Vec<u8>);

impl Memory for Noise {
    fn read(&self, at: Maddr, to: &mut [u8]) -> bool {
        for (nr, byte) in to.iter_mut().enumerate() {
            *byte = self.0[(at.raw() as usize + nr) % self.0.len()];
        }
        true
    }
}

proptest! {
    #[test]
    fn whatever_is_there_the_walk_ends(
        root in 0u64..1 << 20,
        bytes in prop::collection::vec(any::<u8>(), 1..4096),
        xsdt in any::<u64>(),
    ) {
        let mut noise = Noise(bytes);
        let _ = acpi::scan(&noise, &mut [0; 4096]);
        let pointer = rsdp_v2(0x2000, xsdt);
        let len = noise.0.len();
        for (nr, byte) in pointer.into_iter().enumerate() {
            noise.0[(root as usize + nr) % len] = byte;
        }
        let mut seen = 0;
        let found = acpi::walk(&noise, ma(root), RootTable::Newest, &mut |range| {
            assert!(range.len_bytes() <= 16 << 20);
            seen += 1;
        });
        prop_assert!(seen <= 2048 && found.tables <= 2048);
    }
}
