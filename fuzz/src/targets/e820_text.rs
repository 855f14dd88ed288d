//! Memory maps as text: what is read comes back when it is written in the words of the kernel's log.

use std::fmt::Write;

use formats::e820::parse;

use crate::input::real_maps;

pub(super) const WORDS: &[&[u8]] = &[
    b"usable", b"reserved", b"ACPI data", b"ACPI NVS", b"unusable", b"persistent", b"persistent (type ", b"soft reserved",
    b"type ", b"0x", b"ffffffffffffffff", b"10000000000000", b" # ", b"\r\n",
];

pub(super) fn run(data: &[u8]) {
    let Ok(map) = parse(data) else {
        return;
    };
    assert!(!map.entries.is_empty() && map.warnings.len() <= map.entries.len());
    let mut text = String::new();
    for entry in &map.entries {
        assert!(entry.len_bytes > 0);
        let last = entry.start.checked_add(entry.len_bytes - 1).expect("64 bits");
        writeln!(text, "{:#x} {last:x} {}", entry.start, entry.kind()).expect("memory");
    }
    let again = parse(text.as_bytes()).expect("as it was written").entries;
    assert_eq!(again, map.entries);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let maps = real_maps().into_iter();
    let text = |map: formats::e820::Machine| {
        let line = |it: &rkexec::memmap::MapEntry| {
            format!("{:#018x} {:#018x} {}\n", it.start, it.start + it.len_bytes - 1, it.kind())
        };
        let lines: String = map.entries.iter().map(line).collect();
        format!("# {}\n{lines}", map.name).into_bytes()
    };
    maps.map(text).collect()
}
