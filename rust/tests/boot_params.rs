//! Boot parameters for the next kernel: what changes, what does not, and what is refused.

mod layout;
mod lockdown;

use proptest::prelude::*;
use rkexec::addr::{Maddr, PHYS_END};
use rkexec::boot_params::{e820_ext_bytes, fix_up, offset, BootParamsError, E820ExtRoom, View};
use rkexec::errno::Errno;
use rkexec::memmap::MapEntry;

use crate::common::{ma, put, raw_entry, with, MIB};

const RAM: u32 = 1;
const RESERVED: u32 = 2;

/// A map of so many entries, no two of them alike.
fn map(entries: usize) -> Vec<MapEntry> {
    (0..entries as u64)
        .map(|i| raw_entry(i << 20, 0x1000 + i, 1 + i as u32 % 7))
        .collect()
}

/// Makes boot parameters out of any bytes: the header, as boot.rst has it.
fn with_header(mut bytes: Vec<u8>) -> Vec<u8> {
    put(&mut bytes, 0x1fe, &[0x55, 0xaa]);
    put(&mut bytes, 0x202, b"HdrS");
    put(&mut bytes, 0x206, &[0x0f, 0x02]);
    bytes
}

/// Boot parameters, and a command line behind them, in which no byte has its right value.
fn boot_params() -> Vec<u8> {
    with_header(vec![0xcc; 5000])
}

/// The E820 entries in `bytes`, read as `boot_e820_entry` is defined.
fn entries(bytes: &[u8]) -> Vec<MapEntry> {
    let entry = |raw: &[u8]| MapEntry {
        start: u64::from_le_bytes(raw[0..8].try_into().expect("8 bytes")),
        len_bytes: u64::from_le_bytes(raw[8..16].try_into().expect("8 bytes")),
        kind_raw: u32::from_le_bytes(raw[16..20].try_into().expect("4 bytes")),
    };
    bytes.chunks_exact(20).map(entry).collect()
}

/// What the next kernel reads at one address, a node of the `setup_data` list: the next one's address,
/// the type, and the data.
fn node(bytes: &[u8]) -> (u64, u32, &[u8]) {
    let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().expect("4 bytes"));
    let next = u64::from_le_bytes(*bytes.first_chunk().expect("8 bytes"));
    (next, word(8), &bytes[16..16 + word(12) as usize])
}

/// Fixes up boot parameters with so much room at that address. What has become of both; an error leaves
/// all as it was.
fn fixed_with(
    bytes: &[u8],
    map: &[MapEntry],
    room: Option<(usize, Maddr)>,
) -> Result<(Vec<u8>, Vec<u8>), BootParamsError> {
    let mut fixed = bytes.to_vec();
    let mut memory = vec![0xdd; room.map_or(0, |(len, _)| len)];
    let bytes_of_room = &mut memory[..];
    let given = room.map(|(_, at)| E820ExtRoom {
        bytes: bytes_of_room,
        at,
    });
    let result = fix_up(&mut fixed, map, given);
    if result.is_err() {
        assert_eq!(fixed, bytes);
        assert!(memory.iter().all(|byte| *byte == 0xdd));
    }
    result.map(|()| (fixed, memory))
}

fn fixed(bytes: &[u8], map: &[MapEntry]) -> Vec<u8> {
    fixed_with(bytes, map, None)
        .expect("good boot parameters")
        .0
}

#[test]
fn the_next_kernel_sees_the_machine_and_no_xen() {
    let map = [
        raw_entry(0, 0x9_fc00, RAM),
        raw_entry(0x9_fc00, 0x400, RESERVED),
        raw_entry(0x10_0000, 0x7fe0_0000, RAM),
        raw_entry(0x7ff0_0000, 0x1_0000, 3),
        raw_entry(0xfee0_0000, 0x1000, 0xffff_fff0),
        raw_entry(0x1_0000_0000, 0x8000_0000, RAM),
    ];
    let rsdp = 0x7fb7_e014u64.to_le_bytes();
    let bytes = fixed(&with(&boot_params(), 0x070, &rsdp), &map);

    assert_eq!(bytes[0x1e8], 6);
    let (table, rest) = bytes[0x2d0..0xcd0].split_at(6 * 20);
    assert_eq!(entries(table), map);
    assert!(rest.iter().all(|byte| *byte == 0));
    assert_eq!(bytes[0x1c0..0x1e0], [0; 32]);
    assert_eq!(bytes[0x23c..0x240], [0; 4]);
    assert_eq!(bytes[0x240..0x248], [0; 8]);
    // 2046 MiB from 1 MiB on, of which the old field can say 63.
    assert_eq!(bytes[0x1e0..0x1e4], (2046 * 1024u32).to_le_bytes());
    assert_eq!(bytes[0x002..0x004], [0x00, 0xfc]);

    let view = View::new(&bytes).expect("still good");
    assert_eq!(view.e820().collect::<Vec<_>>(), map);
    assert_eq!(view.setup_data(), 0xcccc_cccc_cccc_cccc);
    assert_eq!(view.hardware_subarch(), (0, 0));
    assert_eq!(view.efi_info(), [0; 32]);
    assert_eq!(view.acpi_rsdp_addr(), 0x7fb7_e014);
    assert_eq!(view.memory_size_kib(), (2046 * 1024, 0xfc00));
}

#[test]
fn a_view_shows_what_is_there() {
    let mut bytes = boot_params();
    put(&mut bytes, 0x250, &0x0123_4567_89ab_cdefu64.to_le_bytes());
    put(&mut bytes, 0x23c, &2u32.to_le_bytes());
    put(&mut bytes, 0x240, &0xfeed_f00d_dead_beefu64.to_le_bytes());
    put(&mut bytes, 0x1c0, b"Xen\0");
    put(&mut bytes, 0x1e8, &[200]);
    let view = View::new(&bytes).expect("boot parameters");
    assert_eq!(view.setup_data(), 0x0123_4567_89ab_cdef);
    assert_eq!(view.hardware_subarch(), (2, 0xfeed_f00d_dead_beef));
    assert_eq!(view.efi_info()[..5], *b"Xen\0\xcc");
    assert_eq!(view.memory_size_kib(), (0xcccc_cccc, 0xcccc));
    // More than the table has are not believed.
    assert_eq!(view.e820().count(), 128);
}

#[test]
fn the_size_of_memory_is_that_of_the_ram_at_1_mib() {
    let size = |map: &[MapEntry]| {
        let bytes = fixed(&boot_params(), map);
        View::new(&bytes).expect("still good").memory_size_kib()
    };
    let two = [raw_entry(0, 0x9_f000, RAM), raw_entry(MIB, 16 * MIB, RAM)];
    assert_eq!(size(&two), (16384, 16384));
    assert_eq!(size(&[raw_entry(MIB, MIB, RESERVED)]), (0, 0));
    for (start, len, new, old) in [
        (0, 3 * MIB, 2048, 2048),
        (MIB - 1, MIB + 1, 1024, 1024),
        (0, MIB, 0, 0),
        (0, MIB + 1024, 1, 1),
        (MIB + 4096, MIB, 0, 0),
        (MIB, 63 * MIB - 1024, 0xfbff, 0xfbff),
        (MIB, 63 * MIB, 0xfc00, 0xfc00),
        (MIB, 63 * MIB + 1024, 0xfc01, 0xfc00),
        (MIB, 1 << 40, 1 << 30, 0xfc00),
        (MIB, 1 << 44, u32::MAX, 0xfc00),
        (MIB, u64::MAX, u32::MAX, 0xfc00),
    ] {
        assert_eq!(size(&[raw_entry(start, len, RAM)]), (new, old), "{len:#x}");
    }
}

#[test]
fn an_entry_that_wraps_around_ends_at_the_end_and_does_not_hide_the_others() {
    let map = [
        raw_entry(0x1000, u64::MAX, RESERVED),
        raw_entry(u64::MAX, 2, RESERVED),
        raw_entry(0, u64::MAX, RAM),
        map(1)[0],
    ];
    let bytes = fixed(&boot_params(), &map);
    let written = entries(&bytes[0x2d0..0x2d0 + 80]);
    // What Linux's append_e820_table() asks of an entry.
    for entry in &written {
        let end = entry.start.wrapping_add(entry.len_bytes).wrapping_sub(1);
        assert!(entry.len_bytes == 0 || entry.start <= end, "{entry:x?}");
    }
    assert_eq!(written[0], raw_entry(0x1000, u64::MAX - 0xfff, RESERVED));
    assert_eq!(written[1], raw_entry(u64::MAX, 1, RESERVED));
    assert_eq!(written[2..], map[2..]);
}

#[test]
fn the_129th_entry_goes_to_the_room_in_front_of_what_is_there() {
    for (len, inside, outside) in [(127, 127, 0), (128, 128, 0), (129, 128, 1), (700, 128, 572)] {
        let map = map(len);
        let used = e820_ext_bytes(len);
        assert_eq!(used, if outside > 0 { 16 + 20 * outside } else { 0 });
        let at = ma(0x1234_5000);
        let given = Some((16 + 20 * 572 + 5, at));
        let (bytes, room) = fixed_with(&boot_params(), &map, given).expect("enough room");

        assert_eq!(usize::from(bytes[0x1e8]), inside);
        assert_eq!(entries(&bytes[0x2d0..0x2d0 + 20 * inside]), map[..inside]);
        let setup_data = View::new(&bytes).expect("still good").setup_data();
        if outside > 0 {
            assert_eq!(setup_data, at.raw());
            let (next, kind, data) = node(&room);
            assert_eq!((next, kind), (0xcccc_cccc_cccc_cccc, 1));
            assert_eq!(entries(data), map[inside..]);
        } else {
            assert_eq!(setup_data, 0xcccc_cccc_cccc_cccc);
        }
        assert!(room[used..].iter().all(|byte| *byte == 0xdd));
    }
}

#[test]
fn a_map_that_cannot_be_passed_on_is_an_error_with_numbers() {
    let fix_up = |nr, room| fixed_with(&boot_params(), &map(nr), room).err();
    let too_long = |entries, limit| Some(BootParamsError::MapTooLong { entries, limit });
    assert_eq!(fix_up(129, None), too_long(129, 128));
    // The next kernel maps 63 pages for sure: (63 * 4096 - 16) / 20 = 12901 entries.
    let most = (1 << 20, 128 + 12901);
    let around_entries = [(15, 128), (35, 128), (36, 129), (55, 129), (56, 130)];
    for (room, limit) in [(0, 128), most].into_iter().chain(around_entries) {
        let room = Some((room, ma(0x5000)));
        assert_eq!(fix_up(limit, room), None);
        assert_eq!(fix_up(limit + 1, room), too_long(limit + 1, limit));
    }
}

#[test]
fn room_that_no_kernel_could_find_is_refused() {
    let need = e820_ext_bytes(130) as u64;
    let fix_up = |nr, at| fixed_with(&boot_params(), &map(nr), Some((4096, ma(at)))).err();
    for at in [0, PHYS_END, PHYS_END - need + 1] {
        let refused = BootParamsError::E820ExtAddress { at: ma(at) };
        assert_eq!(fix_up(130, at), Some(refused));
    }
    for at in [1, PHYS_END - need] {
        assert_eq!(fix_up(130, at), None);
    }
    // Room that is not needed may be anywhere.
    assert_eq!(fix_up(128, 0), None);
}

#[test]
fn what_does_not_look_like_boot_parameters_is_left_alone() {
    let good = boot_params();
    let bad = [
        good[..4095].to_vec(),
        Vec::new(),
        with(&good, 0x1fe, &[0xaa, 0x55]),
        with(&good, 0x202, b"hdrS"),
        with(&good, 0x206, &[0x0b, 0x02]),
    ];
    let told = bad.map(|bytes| {
        let error = fixed_with(&bytes, &map(3), None).expect_err("not boot parameters");
        assert_eq!(View::new(&bytes).err(), Some(error));
        assert_eq!(error.errno(), Errno::NotExecutable);
        format!("{error:x?}: {error}")
    });
    let expected = [
        "TooShort { len_bytes: fff }: boot parameters of 4095 bytes, 4096 expected",
        "TooShort { len_bytes: 0 }: boot parameters of 0 bytes, 4096 expected",
        "NoBootFlag { found: 55aa }: boot flag 0x55aa in the boot parameters, 0xaa55 expected",
        "NoHeader { found: 53726468 }: header 0x53726468 in the boot parameters, 0x53726448 expected",
        "OldProtocol { version: 20b }: the kernel speaks boot protocol 2.11, 2.12 is needed",
    ];
    assert_eq!(told, expected);
    fixed(&good[..4096], &map(3));
    fixed(&with(&good, 0x206, &[0x0c, 0x02]), &map(3));
}

#[test]
fn errors_about_the_map_have_their_numbers_and_lines() {
    let empty = BootParamsError::EmptyMap;
    assert_eq!(fixed_with(&boot_params(), &[], None), Err(empty));
    let (entries, limit) = (150, 128);
    let too_long = BootParamsError::MapTooLong { entries, limit };
    let no_room = BootParamsError::E820ExtAddress { at: ma(0) };
    let told = [empty, too_long, no_room].map(|error| format!("{:?}: {error}", error.errno()));
    let expected = [
        "Invalid: the machine's memory map is empty",
        "TooBig: the machine's memory map has 150 entries, 128 can be passed on",
        "Invalid: no room for the rest of the memory map at ma:0x0",
    ];
    assert_eq!(told, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn nothing_else_changes(
        bytes in prop::collection::vec(any::<u8>(), 4096..4200),
        map in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u32>()), 1..300),
        room in prop::option::of((0usize..4000, 1u64..PHYS_END / 2)),
    ) {
        let before = with_header(bytes);
        let map: Vec<_> = map.into_iter().map(|(a, b, c)| raw_entry(a, b, c)).collect();
        let fits = e820_ext_bytes(map.len()) <= room.map_or(0, |(len, _)| len);
        let given = room.map(|(len, at)| (len, ma(at)));
        prop_assert_eq!(fixed_with(&before, &map, given).is_ok(), fits);

        let most = &map[..map.len().min(327)];
        let (after, _) = fixed_with(&before, most, Some((4000, ma(0x7000)))).expect("good ones");
        for (at, (before, after)) in before.iter().zip(&after).enumerate() {
            let may_change = match at {
                0x002..0x004 | 0x1c0..0x1e4 | 0x1e8 | 0x23c..0x248 | 0x2d0..0xcd0 => true,
                0x250..0x258 => most.len() > 128,
                _ => false,
            };
            prop_assert!(may_change || before == after, "{:#x}", at);
        }
        let kept = offset::ACPI_RSDP_ADDR..offset::ACPI_RSDP_ADDR + 8;
        prop_assert_eq!(&before[kept.clone()], &after[kept]);
    }
}
