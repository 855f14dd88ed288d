//! The head of a dump (an ELF core header), as a program makes it that uses `kexec_load(2)` for a
//! crash image in a dom0: the module knows nothing of it and forwards it as it is.

use anyhow::Result;
use object::elf::{
    FileHeader64, Ident, ProgramHeader64, ELFCLASS64, ELFDATA2LSB, ELFMAG, EM_X86_64, ET_CORE,
    EV_CURRENT, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE,
};
use object::pod::bytes_of;
use object::{LittleEndian, U16, U32, U64};

use crate::memory::Map;
use crate::xen::Range;

/// Builds it for a dump of this memory with notes at these places.
pub fn build(memory: &Map, notes: &[Range]) -> Result<Vec<u8>> {
    let notes = notes.iter().map(|it| (PT_NOTE, it.start, it.bytes));
    let loads = memory.entries().iter();
    let loads = loads.map(|it| (PT_LOAD, it.start, it.end - it.start));
    let segments: Vec<_> = notes.chain(loads).map(segment).collect();
    let header = FileHeader64::<LittleEndian> {
        e_ident: Ident {
            magic: ELFMAG,
            class: ELFCLASS64,
            data: ELFDATA2LSB,
            version: EV_CURRENT,
            os_abi: 0,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(LittleEndian, ET_CORE),
        e_machine: U16::new(LittleEndian, EM_X86_64),
        e_version: U32::new(LittleEndian, EV_CURRENT.into()),
        e_entry: U64::default(),
        e_phoff: U64::new(LittleEndian, size_of::<FileHeader64<LittleEndian>>() as u64),
        e_shoff: U64::default(),
        e_flags: U32::default(),
        e_ehsize: U16::new(LittleEndian, size_of::<FileHeader64<LittleEndian>>() as u16),
        e_phentsize: U16::new(
            LittleEndian,
            size_of::<ProgramHeader64<LittleEndian>>() as u16,
        ),
        e_phnum: U16::new(LittleEndian, u16::try_from(segments.len())?),
        e_shentsize: U16::default(),
        e_shnum: U16::default(),
        e_shstrndx: U16::default(),
    };
    let mut bytes = bytes_of(&header).to_vec();
    for segment in &segments {
        bytes.extend_from_slice(bytes_of(segment));
    }
    Ok(bytes)
}

fn segment((kind, start, bytes): (u32, u64, u64)) -> ProgramHeader64<LittleEndian> {
    let long = |value| U64::new(LittleEndian, value);
    ProgramHeader64 {
        p_type: U32::new(LittleEndian, kind),
        p_flags: U32::new(LittleEndian, PF_R | PF_W | PF_X),
        p_offset: long(start),
        p_vaddr: long(0),
        p_paddr: long(start),
        p_filesz: long(bytes),
        p_memsz: long(bytes),
        p_align: long(0),
    }
}

#[cfg(test)]
mod tests {
    use object::read::elf::{FileHeader, ProgramHeader};

    use super::*;

    #[test]
    fn a_header_has_its_notes_and_its_memory() {
        let memory: Map = "0-9fbff,100000-7ffdffff".parse().unwrap();
        let note = Range {
            start: 0x5000,
            bytes: 0x194,
        };
        let bytes = build(&memory, &[note]).unwrap();
        let header = FileHeader64::<LittleEndian>::parse(&*bytes).unwrap();
        assert_eq!(header.e_type.get(LittleEndian), ET_CORE);
        let segments = header.program_headers(LittleEndian, &*bytes).unwrap();
        let of = |it: &ProgramHeader64<LittleEndian>| {
            (
                it.p_type(LittleEndian),
                it.p_offset(LittleEndian),
                it.p_memsz(LittleEndian),
            )
        };
        let found: Vec<_> = segments.iter().map(of).collect();
        let expected = [
            (PT_NOTE, 0x5000, 0x194),
            (PT_LOAD, 0, 0x9fc00),
            (PT_LOAD, 0x10_0000, 0x7fee_0000),
        ];
        assert_eq!(found, expected);
    }
}
