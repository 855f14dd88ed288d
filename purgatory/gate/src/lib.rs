//! What must hold of the linked hand-over before anyone may be given it.
//!
//! The linker script asserts some of this, too; but a linker script is easily changed in passing,
//! and this looks at what came out. [`flatten`] either returns the flat file or everything that is
//! wrong with the program.

use object::elf::{self, FileHeader64, SectionHeader64};
use object::read::elf::{FileHeader as _, SectionHeader as _, SectionTable, Sym as _};
use object::LittleEndian;
use rkexec::abi::handover::{Epitaph, Header, Params, MAGIC, MAX_SIZE, VERSION};

/// The page size of the machine, in bytes.
const PAGE: u64 = 4096;
/// The least that the stack may have, in bytes. What is used at most is measured by the test in
/// QEMU (`purgatory/tests/machine`).
const MIN_STACK: u64 = 3072;

type Elf = FileHeader64<LittleEndian>;
type Section = SectionHeader64<LittleEndian>;

/// A hand-over that passed.
#[derive(Debug)]
pub struct Blob {
    /// The flat file: all that the hand-over takes in memory.
    pub flat: Vec<u8>,
    /// Bytes of it that are the stack.
    pub stack: u64,
}

/// Checks the ELF file `file` and lays out its sections as they will be in memory.
///
/// # Errors
///
/// Everything that is wrong, one line each.
pub fn flatten(file: &[u8]) -> Result<Blob, Vec<String>> {
    let mut wrong = vec![];
    let blob = collect(file, &mut wrong).unwrap_or_else(|error| {
        wrong.push(format!("not a readable ELF file: {error}"));
        Blob {
            flat: vec![],
            stack: 0,
        }
    });
    if wrong.is_empty() {
        Ok(blob)
    } else {
        Err(wrong)
    }
}

fn collect(file: &[u8], wrong: &mut Vec<String>) -> object::Result<Blob> {
    let elf = Elf::parse(file)?;
    let endian = elf.endian()?;
    let sections = elf.sections(endian, file)?;

    if elf.e_machine(endian) != elf::EM_X86_64 || elf.e_type(endian) != elf::ET_DYN {
        wrong.push("not a position-independent program for x86-64".into());
    }
    let flat = lay_out(file, &sections, wrong)?;
    relocations(&sections, wrong);
    let symbols = Symbols::read(file, &sections, wrong)?;
    header(&flat, elf.e_entry(endian), &symbols, wrong);

    let stack = symbols.end.saturating_sub(symbols.stack);
    if symbols.end != flat.len() as u64 || symbols.stack_top != symbols.end {
        wrong.push("the stack is not at the end of the flat file".into());
    }
    if stack < MIN_STACK {
        wrong.push(format!(
            "the stack has {stack} bytes, less than {MIN_STACK}"
        ));
    }
    Ok(Blob { flat, stack })
}

/// The loaded sections, one behind the other as in memory.
fn lay_out(
    file: &[u8],
    sections: &SectionTable<'_, Elf>,
    wrong: &mut Vec<String>,
) -> object::Result<Vec<u8>> {
    let endian = LittleEndian;
    let mut flat = vec![];
    for section in sections.iter() {
        if section.sh_flags(endian) & u64::from(elf::SHF_ALLOC) == 0 {
            continue;
        }
        let name = name(sections, section);
        let start = section.sh_addr(endian);
        let end = start.saturating_add(section.sh_size(endian));
        if section.sh_type(endian) != elf::SHT_PROGBITS {
            wrong.push(format!("section {name} would not be in the flat file"));
        } else if start < flat.len() as u64 {
            wrong.push(format!("section {name} overlaps the one before it"));
        } else if end > u64::from(MAX_SIZE) {
            wrong.push(format!(
                "section {name} ends at {end:#x}, past the maximum {MAX_SIZE:#x}"
            ));
        } else {
            flat.resize(start as usize, 0);
            flat.extend_from_slice(section.data(endian, file)?);
        }
    }
    Ok(flat)
}

/// Nothing may be left for a loader to do.
fn relocations(sections: &SectionTable<'_, Elf>, wrong: &mut Vec<String>) {
    let endian = LittleEndian;
    for section in sections
        .iter()
        .filter(|section| section.sh_size(endian) > 0)
    {
        if matches!(
            section.sh_type(endian),
            elf::SHT_REL | elf::SHT_RELA | elf::SHT_RELR | elf::SHT_DYNAMIC | elf::SHT_DYNSYM
        ) {
            let name = name(sections, section);
            wrong.push(format!(
                "section {name}: there is nobody to do what it asks for"
            ));
        }
    }
}

/// The symbols that matter here; 0 for one that there is not.
#[derive(Default)]
struct Symbols {
    stack: u64,
    stack_top: u64,
    end: u64,
    params: u64,
    epitaph: u64,
}

impl Symbols {
    fn read(
        file: &[u8],
        sections: &SectionTable<'_, Elf>,
        wrong: &mut Vec<String>,
    ) -> object::Result<Self> {
        let endian = LittleEndian;
        let table = sections.symbols(endian, file, elf::SHT_SYMTAB)?;
        if table.is_empty() {
            wrong.push("it has no symbol table to check".into());
        }
        let mut symbols = Self::default();
        // The first symbol of every table is the null symbol.
        for symbol in table.iter().skip(1) {
            let name = String::from_utf8_lossy(table.symbol_name(endian, symbol)?);
            if symbol.is_undefined(endian) {
                wrong.push(format!("symbol {name} is not defined"));
            }
            if name.contains("panicking") || name.contains("rust_begin_unwind") {
                wrong.push(format!("symbol {name}: a panic path is left"));
            }
            match &*name {
                "handover_stack" => symbols.stack = symbol.st_value(endian),
                "handover_stack_top" => symbols.stack_top = symbol.st_value(endian),
                "handover_params" => symbols.params = symbol.st_value(endian),
                "handover_epitaph" => symbols.epitaph = symbol.st_value(endian),
                "handover_end" => symbols.end = symbol.st_value(endian),
                _ => {}
            }
        }
        Ok(symbols)
    }
}

/// What the module will rely on, field by field.
fn header(flat: &[u8], entry: u64, symbols: &Symbols, wrong: &mut Vec<String>) {
    let Some(header) = read_header(flat) else {
        wrong.push("it has no room for a header".into());
        return;
    };
    let size = flat.len() as u64;
    let mut check = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("header: {what}"));
        }
    };
    check(header.magic == MAGIC, format!("magic {:#x}", header.magic));
    check(
        header.version == VERSION,
        format!("version {}, not {VERSION}", header.version),
    );
    check(header._pad == 0, format!("padding {:#x}", header._pad));
    check(
        u64::from(header.size) == size && size % PAGE == 0 && header.size <= MAX_SIZE,
        format!("size {:#x}, the flat file has {size:#x}", header.size),
    );
    check(
        u64::from(header.entry_offset) == entry && entry < size,
        format!(
            "entry at {:#x}, the program's is {entry:#x}",
            header.entry_offset
        ),
    );
    let first = size_of::<Header>() as u32;
    for (what, offset, len, symbol) in [
        (
            "parameters",
            header.params_offset,
            size_of::<Params>(),
            symbols.params,
        ),
        (
            "epitaph",
            header.epitaph_offset,
            size_of::<Epitaph>(),
            symbols.epitaph,
        ),
    ] {
        let bytes = flat.get(offset as usize..).and_then(|rest| rest.get(..len));
        check(
            u64::from(offset) == symbol && offset % 8 == 0,
            format!("{what} at {offset:#x}, the program's are at {symbol:#x}"),
        );
        check(
            offset >= first && bytes.is_some_and(|bytes| bytes.iter().all(|&byte| byte == 0)),
            format!("{what} at {offset:#x}: not {len} zero bytes of the file"),
        );
    }
}

fn read_header(flat: &[u8]) -> Option<Header> {
    let word = |at: usize| {
        flat.get(at..at + 4)
            .map(|b| u32::from_le_bytes(b.try_into().unwrap()))
    };
    Some(Header {
        magic: u64::from(word(0)?) | (u64::from(word(4)?) << 32),
        version: word(8)?,
        size: word(12)?,
        entry_offset: word(16)?,
        params_offset: word(20)?,
        epitaph_offset: word(24)?,
        _pad: word(28)?,
    })
}

fn name(sections: &SectionTable<'_, Elf>, section: &Section) -> String {
    let name = sections.section_name(LittleEndian, section).unwrap_or(b"?");
    String::from_utf8_lossy(name).into()
}
