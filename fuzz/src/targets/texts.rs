//! Smaller texts of a system: a kernel's command line, the list of guests, `struct boot_params`.

use rkexec_xen::guests::names;
use rkexec_xen::machine::{of_boot_params, told, Firmware};

pub(super) const WORDS: &[&[u8]] = &[
    b"acpi_rsdp=", b"0x", b" r-----", b"Domain-0", b"\n", b" 0 ", b" 1 ", b" 2048 ", b" 12.3\n",
];

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(address) = told(&text) {
        assert!(address != 0 && text.contains("acpi_rsdp="));
    }
    let guests = names(&text);
    assert!(guests.len() < text.lines().count().max(1));
    assert!(guests.iter().all(|name| name.split(' ').all(|word| text.contains(word))));
    match of_boot_params(data) {
        Firmware::Bios => {}
        Firmware::Uefi { root_pointer } => assert!(root_pointer >= 1 << 20 && data.len() >= 0x78),
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut parameters = vec![0; 0x80];
    parameters[0x70..0x78].copy_from_slice(&0x7f77_e014_u64.to_le_bytes());
    vec![
        b"ro acpi_rsdp=0x1 quiet acpi_rsdp=0x7f77e014".to_vec(),
        b"Name ID Mem VCPUs State Time(s)\nDomain-0 0 2048 4 r----- 12.3\na guest 1 512 1 -b---- 0.1\n".to_vec(),
        parameters,
    ]
}
