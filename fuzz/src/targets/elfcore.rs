//! What memory a dump shows, and the ELF header that says so: against the map looked at byte by byte, and read back by
//! a library for ELF files.

use object::elf::{FileHeader64, PT_LOAD, PT_NOTE};
use object::read::elf::{FileHeader, ProgramHeader};
use object::LittleEndian as LE;
use rkexec::abi::handover::LOW_BYTES;
use rkexec::elfcore::{ElfCore, ElfCoreError, Load, Loads};
use rkexec::range::MaRange;

use crate::common::ma;
use crate::input::real_maps;
use crate::oracle::memory::checked;
use crate::{Bytes, Input};

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let map = input.map(48);
    let crash = input.pages();
    let backup = match input.up_to(2) {
        0 => None,
        1 => Some(crash.start()),
        _ => Some(ma(u64::from(input.number::<u32>()))),
    };
    let direct_map = input.number();
    let notes = input.ranges(6);

    let fits = |at| MaRange::from_len(at, LOW_BYTES).is_some_and(|it| crash.covers(it));
    if let Some(at) = backup.filter(|&at| !fits(at) || at.raw() % 4096 != 0) {
        let refused = Loads::new(&map, crash, backup).map(drop);
        assert_eq!(refused, Err(ElfCoreError::Backup { at }));
        return;
    }
    let loads = checked(&map, crash, backup);
    let core = ElfCore {
        direct_map,
        notes: &notes,
        loads: Loads::new(&map, crash, backup).expect("as before"),
    };
    let needed = core.len_bytes().expect("not that many");
    let mut bytes = vec![0xaa; needed + 8];
    assert_eq!(core.write(&mut bytes), Ok(needed));
    assert_eq!(bytes[needed..], [0xaa; 8]);
    assert_eq!(core.write(&mut bytes[..needed - 1]), Err(ElfCoreError::Room { needed }));
    read_back(&bytes[..needed], direct_map, &notes, &loads);
}

fn read_back(bytes: &[u8], direct_map: u64, notes: &[MaRange], loads: &[Load]) {
    let file = FileHeader64::<LE>::parse(bytes).expect("an ELF file");
    let headers = file.program_headers(LE, bytes).expect("its headers");
    let found = headers.iter().map(|it| {
        let numbers = [it.p_offset(LE), it.p_vaddr(LE), it.p_paddr(LE), it.p_filesz(LE)];
        assert_eq!(it.p_filesz(LE), it.p_memsz(LE));
        (it.p_type(LE), numbers)
    });
    let notes = notes.iter().filter(|note| !note.is_empty()).map(|note| {
        let at = note.start().raw();
        (PT_NOTE, [at, 0, at, note.len_bytes()])
    });
    let loads = loads.iter().map(|load| {
        let at = load.range.start().raw();
        let virt = direct_map.wrapping_add(at);
        (PT_LOAD, [load.saved_at.raw(), virt, at, load.range.len_bytes()])
    });
    assert!(found.eq(notes.chain(loads)));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let maps = real_maps().into_iter();
    let seed = |map: formats::e820::Machine| {
        let note = crate::common::raw_entry(0x7f80_1004, 0x1f4, 0);
        let to = Bytes::new().map(&map.entries).half(0x1000).half(0x4000);
        to.byte(1).word(0xffff_8880_0000_0000).map(&[note]).0
    };
    maps.map(seed).collect()
}
