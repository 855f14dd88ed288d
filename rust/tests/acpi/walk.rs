//! Tables as firmware makes them.

use rkexec::acpi::RootTable;

use super::firmware::{facs, fadt, rsdp_v1, rsdp_v2, rsdt, table, xsdt, Firmware};
use crate::common::{put, with};

/// As SeaBIOS has it: a root pointer of ACPI 1.0 in the BIOS area, tables at the end of RAM.
fn seabios() -> Firmware {
    Firmware::default()
        .with(0xf_52c0, rsdp_v1(0x7ffe_2000))
        .with(0x7ffe_2000, rsdt(&[0x7ffe_1a00, 0x7ffe_1b00]))
        .with(0x7ffe_1a00, fadt([0x7ffe_0000, 0x7ffe_0040], None))
        .with(0x7ffe_1b00, table(b"APIC", &[0; 84]))
        .with(0x7ffe_0000, facs())
        .with(0x7ffe_0040, table(b"DSDT", &[0; 0x19a0 - 36]))
}

#[test]
fn the_tables_of_a_bios_are_found() {
    let (seen, found) = seabios().walk(0xf_52c0);
    let expected = [
        (0xf_52c0, 20),
        (0x7ffe_2000, 36 + 8),
        (0x7ffe_1a00, 116),
        (0x7ffe_0000, 64),
        (0x7ffe_0040, 0x19a0),
        (0x7ffe_1b00, 120),
    ];
    assert_eq!(seen, expected);
    assert_eq!((found.tables, found.left_out), (5, 0));
}

#[test]
fn the_root_pointer_of_a_bios_is_found() {
    // The BIOS area is memory from its beginning to its end.
    let bios = |area: &[u8]| Firmware::default().with(0xe_0000, area.to_vec());
    let mut area = vec![0; 0x2_0000];
    assert_eq!(bios(&area).scan(), None);
    // Not whole, and not at a multiple of 16.
    put(&mut area, 0x10, b"RSD PTR ");
    put(&mut area, 0x28, &rsdp_v1(1));
    assert_eq!(bios(&area).scan(), None);
    // The last place where one can be.
    put(&mut area, 0x1_ffe0, &rsdp_v1(1));
    let firmware = bios(&area);
    assert_eq!(firmware.scan(), Some(0xf_ffe0));
    assert!(firmware.1.borrow().len() < 50, "a page at a time");
    // One across two pages comes before it.
    put(&mut area, 0x5ff0, &rsdp_v2(1, 1));
    let firmware = bios(&area);
    assert_eq!(firmware.scan(), Some(0xe_5ff0));
    assert_eq!(Firmware::default().scan(), None);
}

#[test]
fn the_root_pointer_in_the_extended_data_of_a_bios_goes_first() {
    let bios = |segment: u16, ebda: u64, offset: usize| {
        let area = with(&[0; 0x2_0000], 0x1000, &rsdp_v1(1));
        let mut data = with(&[0; 1024], offset, &rsdp_v1(2));
        data.truncate((0xa_0000 - ebda) as usize);
        let firmware = Firmware::default()
            .with(0xe_0000, area)
            .with(0x40e, segment.to_le_bytes().to_vec())
            .with(ebda, data);
        firmware.scan()
    };
    assert_eq!(bios(0x9fc0, 0x9_fc00, 0), Some(0x9_fc00));
    assert_eq!(bios(0x9fc0, 0x9_fc00, 1024 - 32), Some(0x9_ffe0));
    assert_eq!(bios(0x8000, 0x8_0000, 0x3e0), Some(0x8_03e0));
    // Less than 1 KiB is left below the video memory.
    assert_eq!(bios(0x9ff0, 0x9_ff00, 0x80), Some(0x9_ff80));
    // Nobody has written a segment there, or there is another one.
    for segment in [0, 0x40, 0x9fbf, 0xa000, 0xffff] {
        let found = bios(segment, 0x9_fc00, 0x3e0);
        assert_eq!(found, Some(0xe_1000), "{segment:#x}");
    }
}

/// Where both root tables are, and each leads to another table.
fn two_roots() -> Firmware {
    Firmware::default()
        .with(0x1000, rsdp_v2(0x2000, 0x1_0000_3000))
        .with(0x2000, rsdt(&[0x5000]))
        .with(0x5000, table(b"HPET", &[0; 20]))
        .with(0x1_0000_3000, xsdt(&[0x2_0000_4000]))
        .with(0x2_0000_4000, table(b"SRAT", &[0; 100]))
}

#[test]
fn where_there_is_an_xsdt_nobody_reads_the_rsdt() {
    let firmware = two_roots();
    let (seen, found) = firmware.walk(0x1000);
    let expected = [(0x1000, 36), (0x1_0000_3000, 44), (0x2_0000_4000, 136)];
    assert_eq!(seen, expected);
    assert_eq!(found.left_out, 0);
    let read = firmware.1.borrow();
    assert!(!read.iter().any(|at| (0x2000..0x1_0000_0000).contains(at)));
}

#[test]
fn where_the_kernel_does_not_use_the_xsdt_nobody_reads_it() {
    let firmware = two_roots();
    let (seen, found) = firmware.walk_by(0x1000, RootTable::Rsdt);
    assert_eq!(seen, [(0x1000, 36), (0x2000, 40), (0x5000, 56)]);
    assert_eq!(found.left_out, 0);
    assert!(!firmware.1.borrow().iter().any(|at| *at >= 0x1_0000_0000));
}

#[test]
fn a_root_pointer_without_xsdt_leads_to_the_rsdt() {
    let firmware = Firmware::default()
        .with(0x1000, rsdp_v2(0x2000, 0))
        .with(0x2000, rsdt(&[0x3000]))
        .with(0x3000, table(b"HPET", &[0; 20]));
    let (seen, _) = firmware.walk(0x1000);
    assert_eq!(seen, [(0x1000, 36), (0x2000, 40), (0x3000, 56)]);
}

#[test]
fn a_wide_field_of_the_fadt_goes_before_the_narrow_one() {
    let wide = [0, 0x1_0000_7000];
    let firmware = Firmware::v1(&[0x3000])
        .with(0x3000, fadt([0x5000, 0x6000], Some(wide)))
        .with(0x5000, facs())
        .with(0x1_0000_7000, table(b"DSDT", &[]));
    let (seen, found) = firmware.walk(0x1000);
    assert_eq!(seen[3..], [(0x5000, 64), (0x1_0000_7000, 36)]);
    assert_eq!(found.left_out, 0);
}

#[test]
fn of_the_facs_there_may_be_two() {
    let seen = |narrow: u32, wide: u64| {
        let firmware = Firmware::v1(&[0x3000])
            .with(0x3000, fadt([narrow, 0], Some([wide, 0])))
            .with(0x5000, facs())
            .with(0x1_0000_6000, facs());
        let (seen, found) = firmware.walk(0x1000);
        assert_eq!(found.left_out, 0);
        seen[3..].to_vec()
    };
    let (narrow, wide) = ((0x5000, 64), (0x1_0000_6000, 64));
    assert_eq!(seen(0x5000, 0x1_0000_6000), [wide, narrow]);
    assert_eq!(seen(0x5000, 0x5000), [narrow]);
    assert_eq!(seen(0x5000, 0), [narrow]);
    assert_eq!(seen(0, 0x1_0000_6000), [wide]);
    assert_eq!(seen(0, 0), []);
}
