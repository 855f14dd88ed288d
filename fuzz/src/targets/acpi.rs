//! ACPI's tables in any memory: the search for a root pointer, and the walk from there. What is seen is there and is as
//! long as it says; both come to an end.

use rkexec::acpi::{scan, walk, Memory, RootTable, TablePages};
use rkexec::range::MaRange;

use crate::common::ma;
use crate::oracle::firmware::{facs, fadt, rsdp_v1, rsdp_v2, rsdt, table, xsdt, Firmware};
use crate::{Bytes, Input};

/// Reads for what the two may look at: 513 root entries, each with the tables of a FADT, and the scanned areas.
const MOST_READS: usize = 8000;

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let rsdp = u64::from(input.number::<u32>());
    let root_table = match input.number() {
        true => RootTable::Rsdt,
        false => RootTable::Newest,
    };
    let mut firmware = Firmware::default();
    while !input.is_empty() {
        let (at, length): (u32, u16) = (input.number(), input.number());
        let bytes = input.bytes(length.into());
        firmware = firmware.with(at.into(), bytes.to_vec());
    }
    if let Some(found) = scan(&firmware, &mut [0; 4096]) {
        let mut bytes = [0; 8];
        assert!(firmware.read(found, &mut bytes) && bytes == *b"RSD PTR ");
        assert!(found.raw() % 16 == 0 && found.raw() < 1 << 20);
    }
    let mut seen: Vec<MaRange> = Vec::new();
    let found = walk(&firmware, ma(rsdp), root_table, &mut |range| seen.push(range));
    assert_eq!(found.tables, seen.len().saturating_sub(1));
    assert!(firmware.1.borrow().len() < MOST_READS);
    for (nr, table) in seen.iter().enumerate() {
        let mut head = [0; 8];
        assert!(firmware.read(table.start(), &mut head));
        if nr > 0 {
            let length = u32::from_le_bytes(*head.last_chunk().expect("8 bytes"));
            assert_eq!(table.len_bytes(), length.into());
        }
    }
    pages(&seen);
}

/// The pages that they are in, each once.
fn pages(tables: &[MaRange]) {
    let mut pages = TablePages::new();
    let added: Vec<_> = tables.iter().filter(|table| pages.add(**table)).collect();
    assert!(added.len() >= tables.len().min(TablePages::MOST));
    let mut pieces = pages.as_slice().to_vec();
    pieces.sort_unstable();
    let whole = |piece: &MaRange| piece.round_out(4096) == *piece && !piece.is_empty();
    assert!(pieces.iter().all(whole));
    assert!(pieces.windows(2).all(|pair| pair[0].end() < pair[1].start()));
    for piece in &pieces {
        let grown = |table: &MaRange| table.round_out(4096);
        assert!(added.iter().any(|table| grown(table).start() == piece.start()));
        assert!(added.iter().any(|table| grown(table).end() == piece.end()));
    }
    let is_in = |table: &&&MaRange| pieces.iter().any(|piece| piece.covers(***table));
    assert!(added.iter().all(|table| is_in(&table)));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let v1 = [
        (0xf_52a0, rsdp_v1(0x2000)),
        (0x2000, rsdt(&[0x3000, 0x4000])),
        (0x3000, fadt([0x5000, 0x6000], None)),
        (0x4000, table(b"APIC", &[0; 20])),
        (0x5000, facs()),
        (0x6000, table(b"DSDT", &[1; 50])),
    ];
    let v2 = [
        (0x1000, rsdp_v2(0x2000, 0x7000)),
        (0x2000, rsdt(&[0x4000])),
        (0x7000, xsdt(&[0x3000, 0x4000])),
        (0x3000, fadt([0x5000, 0x6000], Some([0x5100, 0x6000]))),
        (0x4000, table(b"SSDT", &[0; 4])),
        (0x5100, facs()),
        (0x6000, table(b"DSDT", &[1; 50])),
    ];
    let ebda = [(0x40e, vec![0xc0, 0x9f]), (0x9_fc00, [vec![0; 32], rsdp_v1(0x2000)].concat())];
    let seed = |rsdp: u32, pieces: &[(u32, Vec<u8>)]| {
        let to = Bytes::new().bytes(&rsdp.to_le_bytes()).byte(0);
        let piece = |to: Bytes, (at, bytes): &(u32, Vec<u8>)| {
            to.bytes(&at.to_le_bytes()).half(bytes.len() as u16).bytes(bytes)
        };
        pieces.iter().fold(to, piece).0
    };
    vec![seed(0xf_52a0, &v1), seed(0x1000, &v2), seed(0x9_fc20, &ebda)]
}
