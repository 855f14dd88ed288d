//! Tables as firmware makes them.

use rkexec_pure::pure::acpi::{self, Found};

use crate::firmware::{facs, fadt, rsdp_v1, rsdp_v2, rsdt, table, xsdt, Firmware};

/// As SeaBIOS has it: a root pointer of ACPI 1.0 in the BIOS area, tables at the end of RAM.
fn seabios() -> Firmware {
    let links = [
        (36, &0x7ffe_0000u32.to_le_bytes()[..]),
        (40, &0x7ffe_0040u32.to_le_bytes()[..]),
    ];
    Firmware::default()
        .with(0xf_52c0, rsdp_v1(0x7ffe_2000))
        .with(0x7ffe_2000, rsdt(&[0x7ffe_1a00, 0x7ffe_1b00]))
        .with(0x7ffe_1a00, fadt(116, &links))
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
    assert_eq!(
        found,
        Found {
            tables: 5,
            left_out: 0
        }
    );
}

#[test]
fn the_root_pointer_of_a_bios_is_found() {
    let at = |firmware: &Firmware| acpi::scan(firmware).map(|at| at.raw());
    // The BIOS area is memory from its beginning to its end.
    let mut area = vec![0; 0x2_0000];
    assert_eq!(at(&Firmware::default().with(0xe_0000, area.clone())), None);
    // Not whole, and not at a multiple of 16.
    area[0x10..0x18].copy_from_slice(b"RSD PTR ");
    area[0x28..0x3c].copy_from_slice(&rsdp_v1(1));
    assert_eq!(at(&Firmware::default().with(0xe_0000, area.clone())), None);
    // The last place where one can be.
    area[0x1_ffe0..0x1_fff4].copy_from_slice(&rsdp_v1(1));
    let firmware = Firmware::default().with(0xe_0000, area);
    assert_eq!(at(&firmware), Some(0xf_ffe0));
    assert_eq!(at(&Firmware::default()), None);
}

#[test]
fn the_xsdt_counts_and_the_rsdt_is_only_there() {
    let firmware = Firmware::default()
        .with(0x1000, rsdp_v2(0x2000, 0x1_0000_3000))
        .with(0x2000, rsdt(&[0xfee0_0000]))
        .with(0x1_0000_3000, xsdt(&[0x2_0000_4000]))
        .with(0x2_0000_4000, table(b"SRAT", &[0; 100]));
    let (seen, found) = firmware.walk(0x1000);
    let expected = [
        (0x1000, 36),
        (0x2000, 40),
        (0x1_0000_3000, 44),
        (0x2_0000_4000, 136),
    ];
    assert_eq!(seen, expected);
    assert_eq!(found.left_out, 0);
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
    let links = [
        (36, &0x5000u32.to_le_bytes()[..]),
        (40, &0x6000u32.to_le_bytes()[..]),
        (132, &0u64.to_le_bytes()[..]),
        (140, &0x1_0000_7000u64.to_le_bytes()[..]),
    ];
    let firmware = Firmware::default()
        .with(0x1000, rsdp_v1(0x2000))
        .with(0x2000, rsdt(&[0x3000]))
        .with(0x3000, fadt(244, &links))
        .with(0x5000, facs())
        .with(0x1_0000_7000, table(b"DSDT", &[]));
    let (seen, found) = firmware.walk(0x1000);
    assert_eq!(seen[3..], [(0x5000, 64), (0x1_0000_7000, 36)]);
    assert_eq!(found.left_out, 0);
}
