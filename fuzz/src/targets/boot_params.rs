//! Boot parameters that are rewritten for the machine: what is written, and that nothing else is.

use rkexec::addr::PHYS_END;
use rkexec::boot_params::{
    e820_ext_bytes, fix_up, lock_down, offset, E820ExtRoom, Lockdown, View, E820_TABLE_ENTRIES, SIZE,
};
use rkexec::memmap::MapEntry;

use crate::common::{ma, put};
use crate::input::real_maps;
use crate::{Bytes, Input};

const HEADER: [(usize, &[u8]); 3] = [(0x1fe, &[0x55, 0xaa]), (0x202, b"HdrS"), (0x206, &[0x0f, 0x02])];

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let at = input.number::<u64>() & 0xff_ffff_ffff;
    let lockdown = lockdown_of(input.number::<u8>().into());
    let (room, room_at) = (input.number::<u16>(), input.number::<u64>() % (PHYS_END + 1));
    // A map that is long enough is the same entries over and over.
    let times = input.up_to(9);
    let map = input.map(48).repeat(times.into());
    let behind = input.number::<u16>() % 1024;
    let mut bytes = vec![0; SIZE + usize::from(behind)];
    HEADER.iter().for_each(|(at, value)| put(&mut bytes, *at, value));
    // The command line and the nodes of `setup_data`: where they are, from `at` on.
    for field in [offset::CMD_LINE_PTR, offset::SETUP_DATA] {
        let place = at + u64::from(input.number::<u16>() % 0x1800);
        put(&mut bytes, field, &place.to_le_bytes()[..if field == offset::SETUP_DATA { 8 } else { 4 }]);
    }
    put(&mut bytes, offset::EXT_CMD_LINE_PTR, &((at >> 32) as u32).to_le_bytes());
    put(&mut bytes, offset::CMDLINE_SIZE, &2047u32.to_le_bytes());
    for _ in 0..input.up_to(8) {
        let (place, value): (u16, u64) = (input.number(), input.number());
        let place = usize::from(place) % (bytes.len() - 7);
        put(&mut bytes, place, &value.to_le_bytes());
    }
    // The line, zeros, and what is behind them.
    let line = input.up_to(60);
    let line = input.bytes(line.into());
    let gap = usize::from(input.up_to(60));
    let line = [line, &vec![0; gap], input.rest()].concat();
    let room_for_it = bytes.len() - SIZE;
    put(&mut bytes, SIZE, &line[..line.len().min(room_for_it)]);
    let length = bytes.len();

    locked_down(&mut bytes, at, lockdown);
    let room = (room > 0).then_some((usize::from(room), room_at));
    fixed_up(&mut bytes, &map, room);
    assert_eq!(bytes.len(), length);
    let _ = View::new(&data[..data.len().min(SIZE)]);
}

fn lockdown_of(number: usize) -> Lockdown {
    match number % 2 {
        0 => Lockdown::Integrity,
        _ => Lockdown::Confidentiality,
    }
}

fn locked_down(bytes: &mut [u8], at: u64, lockdown: Lockdown) {
    let before = bytes.to_vec();
    if lock_down(bytes, ma(at), lockdown).is_err() {
        assert_eq!(bytes, before);
        return;
    }
    let line = View::new(&before).expect("good ones").command_line() - at;
    let line = usize::try_from(line).expect("inside");
    let end = |bytes: &[u8]| bytes[line..].iter().position(|it| *it == 0).expect("an end");
    let (old, new) = (end(&before), end(bytes));
    let word = lockdown.word().as_bytes();
    assert!(line >= SIZE && new == old + word.len());
    assert_eq!(bytes[..line], before[..line]);
    assert_eq!(bytes[line..line + word.len()], *word);
    assert_eq!(bytes[line + word.len()..line + new], before[line..line + old]);
    assert_eq!(bytes[line + new..], before[line + new..]);
    assert!(before[line + old..=line + new].iter().all(|it| *it == 0));
}

fn fixed_up(bytes: &mut [u8], map: &[MapEntry], room: Option<(usize, u64)>) {
    let before = bytes.to_vec();
    let (len, room_at) = room.unwrap_or((0, 0));
    let mut memory = vec![0xdd; len];
    let given = room.map(|_| E820ExtRoom {
        bytes: &mut memory,
        at: ma(room_at),
    });
    if fix_up(bytes, map, given).is_err() {
        assert_eq!(bytes, before);
        assert!(memory.iter().all(|it| *it == 0xdd));
        return;
    }
    let (old, new) = (View::new(&before).expect("good"), View::new(bytes).expect("good"));
    // Linux stops at an entry that wraps around.
    let written = |entry: &MapEntry| MapEntry {
        len_bytes: match entry.start {
            0 => entry.len_bytes,
            start => entry.len_bytes.min(u64::MAX - start + 1),
        },
        ..*entry
    };
    let (inside, outside) = map.split_at(map.len().min(E820_TABLE_ENTRIES));
    assert!(new.e820().eq(inside.iter().map(written)));
    let used = e820_ext_bytes(map.len());
    if outside.is_empty() {
        assert_eq!((new.setup_data(), used), (old.setup_data(), 0));
    } else {
        assert_eq!(new.setup_data(), room_at);
        let word = |at: usize| u64::from_le_bytes(*memory[at..].first_chunk().expect("inside"));
        assert_eq!(word(0), old.setup_data());
        assert_eq!(word(8), 1 | ((outside.len() as u64 * 20) << 32));
        for (nr, entry) in outside.iter().map(written).enumerate() {
            let at = 16 + 20 * nr;
            assert_eq!((word(at), word(at + 8)), (entry.start, entry.len_bytes));
        }
    }
    assert!(memory[used..].iter().all(|it| *it == 0xdd));
    assert_eq!((new.hardware_subarch(), new.efi_info()), ((0, 0), [0; 32]));
    // Nothing else.
    let rewritten = |at: usize| {
        let fields = [(0x002, 2), (0x1c0, 32), (0x1e0, 4), (0x1e8, 1), (0x23c, 12), (0x250, 8), (0x2d0, 2560)];
        fields.iter().any(|&(start, len)| (start..start + len).contains(&at))
    };
    let changed = (0..before.len()).filter(|&at| bytes[at] != before[at]);
    assert!(changed.into_iter().all(rewritten));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let maps = real_maps().into_iter();
    let seed = |(nr, map): (usize, formats::e820::Machine)| {
        let to = Bytes::new().word(0x1_2345_6000).byte(nr as u8).half(4096).word(0x6000_0000);
        let to = to.byte(1 + (nr % 9) as u8).map(&map.entries);
        let to = to.half(400).half(0x1000).half(0x10b0).byte(0);
        let line = b"root=/dev/xvda1 ro quiet";
        // As much room as the word takes, and none behind it.
        let gap = lockdown_of(nr).word().len() as u8 + 1;
        let to = to.byte(line.len() as u8).bytes(line).byte(gap);
        to.bytes(b"and more").0
    };
    maps.enumerate().map(seed).collect()
}
