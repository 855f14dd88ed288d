//! The head of a dump (an ELF core header), as a program makes it that uses `kexec_load(2)` for a
//! crash image in a dom0: the module knows nothing of it and forwards it as it is.

use anyhow::Result;
use object::elf::{EM_X86_64, ET_CORE, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE};
use object::write::elf::{FileHeader, ProgramHeader, Writer};
use object::Endianness;

use crate::memory::Map;
use crate::xen::Range;

/// Builds it for a dump of this memory with notes at these places.
pub fn build(memory: &Map, notes: &[Range]) -> Result<Vec<u8>> {
    let notes = notes.iter().map(|it| (PT_NOTE, it.start, it.end));
    let loads = memory.entries().iter();
    let loads = loads.map(|it| (PT_LOAD, it.start, it.end));
    let segments: Vec<_> = notes.chain(loads).collect();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(Endianness::Little, true, &mut bytes);
    writer.reserve_file_header();
    writer.reserve_program_headers(u32::try_from(segments.len())?);
    writer.write_file_header(&FileHeader {
        os_abi: 0,
        abi_version: 0,
        e_type: ET_CORE,
        e_machine: EM_X86_64,
        e_entry: 0,
        e_flags: 0,
    })?;
    for (p_type, start, end) in segments {
        writer.write_program_header(&ProgramHeader {
            p_type,
            p_flags: PF_R | PF_W | PF_X,
            p_offset: start,
            p_vaddr: 0,
            p_paddr: start,
            p_filesz: end - start,
            p_memsz: end - start,
            p_align: 0,
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use object::elf::{FileHeader64, ProgramHeader64};
    use object::read::elf::{FileHeader, ProgramHeader};
    use object::LittleEndian;

    use super::{build, Map, Range, ET_CORE, PT_LOAD, PT_NOTE};

    #[test]
    fn a_header_has_its_notes_and_its_memory() {
        let memory: Map = "0-9fbff,100000-7ffdffff".parse().unwrap();
        let note: Range = 0x5000..0x5194;
        let bytes = build(&memory, std::slice::from_ref(&note)).unwrap();
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
