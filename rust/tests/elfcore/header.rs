//! The header, read back by a library that reads ELF files for a living.

use object::elf::{
    FileHeader64, ELFCLASS64, ELFDATA2LSB, EM_X86_64, ET_CORE, EV_CURRENT, PF_R, PF_W, PF_X,
    PT_LOAD, PT_NOTE,
};
use object::read::elf::{FileHeader, ProgramHeader};
use object::LittleEndian as LE;
use rkexec::elfcore::{ElfCore, ElfCoreError, Loads, MAX_HEADERS};
use rkexec::memmap::{E820Type, MapEntry};
use rkexec::range::MaRange;

use crate::common::{entry, ma, range};

const DIRECT_MAP: u64 = 0xffff_8880_0000_0000;

fn core<'a>(map: &'a [MapEntry], notes: &'a [MaRange]) -> ElfCore<'a> {
    let crash = range(0x6800_0000, 0x7800_0000);
    ElfCore {
        direct_map: DIRECT_MAP,
        notes,
        loads: Loads::new(map, crash, Some(ma(0x7700_0000))).unwrap(),
    }
}

/// Type, flags, offset, virtual and physical address, sizes in file and memory, alignment.
type Fields = (u32, u32, [u64; 6]);

fn read(bytes: &[u8]) -> Vec<Fields> {
    let file = FileHeader64::<LE>::parse(bytes).unwrap();
    let headers = file.program_headers(LE, bytes).unwrap();
    let fields = headers.iter().map(|h| {
        let numbers = [
            h.p_offset(LE),
            h.p_vaddr(LE),
            h.p_paddr(LE),
            h.p_filesz(LE),
            h.p_memsz(LE),
            h.p_align(LE),
        ];
        (h.p_type(LE), h.p_flags(LE), numbers)
    });
    fields.collect()
}

#[test]
fn notes_and_memory_are_where_they_should_be() {
    let map = [
        entry(0x1000, 0x9_fc00, E820Type::Ram),
        entry(0x9_fc00, 0x10_0000, E820Type::Reserved),
        entry(0x10_0000, 0x7ffe_0000, E820Type::Ram),
        entry(0x1_0000_0000, 0x2_4000_0000, E820Type::Ram),
    ];
    // The second processor has no note.
    let notes = [
        range(0x7f80_1004, 0x7f80_11f8),
        range(0, 0),
        range(0x7f90_0000, 0x7f90_1000),
    ];
    let mut bytes = [0xaa; 512];
    let len = core(&map, &notes).write(&mut bytes).unwrap();
    assert_eq!(len, 64 + 56 * 6);
    assert_eq!(core(&map, &notes).len_bytes(), Ok(len));
    assert!(bytes[len..].iter().all(|&byte| byte == 0xaa));

    let rwx = PF_R | PF_W | PF_X;
    let note = |at, bytes| (PT_NOTE, 0, [at, 0, at, bytes, bytes, 0]);
    let load = |at, end, read_at| {
        let bytes = end - at;
        let numbers = [read_at, DIRECT_MAP + at, at, bytes, bytes, 0];
        (PT_LOAD, rwx, numbers)
    };
    let expected = [
        note(0x7f80_1004, 0x1f4),
        note(0x7f90_0000, 0x1000),
        load(0x1000, 0x9_fc00, 0x7700_1000),
        load(0x10_0000, 0x6800_0000, 0x10_0000),
        load(0x7800_0000, 0x7ffe_0000, 0x7800_0000),
        load(0x1_0000_0000, 0x2_4000_0000, 0x1_0000_0000),
    ];
    assert_eq!(read(&bytes[..len]), expected);
}

/// What `parse_crash_elf64_headers` and makedumpfile look at.
#[test]
fn the_file_header_is_that_of_a_core() {
    let mut bytes = [0; 64];
    assert_eq!(core(&[], &[]).write(&mut bytes), Ok(64));
    let file = FileHeader64::<LE>::parse(&bytes[..]).unwrap();
    let ident = &file.e_ident;
    assert_eq!(ident.magic, *b"\x7fELF");
    assert_eq!((ident.class, ident.data), (ELFCLASS64, ELFDATA2LSB));
    assert_eq!((ident.version, ident.os_abi, ident.abi_version), (1, 0, 0));
    assert_eq!(ident.padding, [0; 7]);
    assert_eq!(file.e_type(LE), ET_CORE);
    assert_eq!(file.e_machine(LE), EM_X86_64);
    assert_eq!(file.e_version(LE), u32::from(EV_CURRENT));
    assert_eq!((file.e_entry(LE), file.e_flags(LE)), (0, 0));
    assert_eq!((file.e_phoff(LE), file.e_ehsize(LE)), (64, 64));
    assert_eq!((file.e_phentsize(LE), file.e_phnum(LE)), (56, 0));
    assert_eq!((file.e_shoff(LE), file.e_shentsize(LE)), (0, 0));
    assert_eq!((file.e_shnum(LE), file.e_shstrndx(LE)), (0, 0));
}

#[test]
fn an_address_past_the_end_of_virtual_memory_wraps() {
    let map = [entry(0x1000, 0x3000, E820Type::Ram)];
    let mut bytes = [0; 120];
    let core = ElfCore {
        direct_map: u64::MAX - 0xfff,
        ..core(&map, &[])
    };
    assert_eq!(core.write(&mut bytes), Ok(120));
    let (_, _, [_, virtual_address, ..]) = read(&bytes)[0];
    assert_eq!(virtual_address, 0);
}

#[test]
fn too_little_room_is_left_alone() {
    let map = [entry(0x1000, 0x3000, E820Type::Ram)];
    let notes = [range(0x7f80_0000, 0x7f80_0100)];
    let needed = 64 + 2 * 56;
    for room in 0..needed {
        let mut bytes = vec![0xaa; room];
        let refused = core(&map, &notes).write(&mut bytes);
        assert_eq!(refused, Err(ElfCoreError::Room { needed }));
        assert!(bytes.iter().all(|&byte| byte == 0xaa));
    }
    assert_eq!(core(&map, &notes).write(&mut vec![0; needed]), Ok(needed));
}

#[test]
fn there_are_as_many_headers_as_an_elf_file_can_have() {
    let map = [entry(0x1000, 0x3000, E820Type::Ram)];
    let notes = vec![range(0x7f80_0000, 0x7f80_0100); MAX_HEADERS];
    let mut bytes = vec![0; 4 << 20];
    let most = core(&map, &notes[1..]);
    let len = most.write(&mut bytes).unwrap();
    assert_eq!(len, 64 + 56 * MAX_HEADERS);
    assert_eq!(read(&bytes[..len]).len(), MAX_HEADERS);

    let headers = MAX_HEADERS + 1;
    let refused = Err(ElfCoreError::TooMany { headers });
    assert_eq!(core(&map, &notes).len_bytes(), refused);
    assert_eq!(core(&map, &notes).write(&mut bytes), refused);
    let many = vec![notes[0]; 1 << 16];
    let headers = (1 << 16) + 1;
    let refused = Err(ElfCoreError::TooMany { headers });
    assert_eq!(core(&map, &many).len_bytes(), refused);
}
