//! What must hold of the linked hand-over before anyone may be given it.
//!
//! The linker script asserts some of this, too; but a linker script is easily changed in passing,
//! and this looks at what came out. [`flatten`] either returns the flat file or everything that is
//! wrong with the program.

use std::collections::HashMap;

use object::elf;
use object::read::elf::{ElfFile64, FileHeader as _, SectionHeader as _};
use object::{LittleEndian, Object as _, ObjectSection as _, ObjectSymbol as _};
use rkexec::abi::handover::{Epitaph, Header, Params, MAGIC, MAX_SIZE, VERSION};

/// The page size of the machine, in bytes.
const PAGE: u64 = 4096;
/// The least that the stack may have, in bytes. What is used at most is measured by the test in
/// QEMU (`purgatory/tests/blob/machine.rs`).
const MIN_STACK: u64 = 2560;

type Elf<'a> = ElfFile64<'a, LittleEndian>;

/// A hand-over that passed.
#[derive(Debug)]
pub struct Blob {
    /// The flat file: all that the hand-over takes in memory.
    pub flat: Vec<u8>,
    /// Bytes of it that are the stack.
    pub stack: u64,
}

/// Checks the ELF file `file` and lays out its sections as they will be in memory. What is wrong
/// comes back as one line each.
pub fn flatten(file: &[u8]) -> Result<Blob, Vec<String>> {
    let mut wrong = vec![];
    match collect(file, &mut wrong) {
        Ok(blob) if wrong.is_empty() => return Ok(blob),
        Ok(_) => {}
        Err(error) => wrong.push(format!("not a readable ELF file: {error}")),
    }
    Err(wrong)
}

fn collect(file: &[u8], wrong: &mut Vec<String>) -> object::Result<Blob> {
    let elf = Elf::parse(file)?;
    let head = elf.elf_header();
    if head.e_machine(LittleEndian) != elf::EM_X86_64 || head.e_type(LittleEndian) != elf::ET_DYN {
        wrong.push("not a position-independent program for x86-64".into());
    }
    let flat = sections(&elf, wrong)?;
    let symbols = symbols(&elf, wrong)?;
    // 0 for one that there is not.
    let symbol = |name: &str| symbols.get(name).copied().unwrap_or(0);
    header(&flat, elf.entry(), symbol, wrong);

    let end = symbol("handover_end");
    let stack = end.saturating_sub(symbol("handover_stack"));
    if end != flat.len() as u64 || symbol("handover_stack_top") != end {
        wrong.push("the stack is not at the end of the flat file".into());
    }
    if stack < MIN_STACK {
        let what = format!("the stack has {stack} bytes, less than {MIN_STACK}");
        wrong.push(what);
    }
    Ok(Blob { flat, stack })
}

/// The loaded sections, one behind the other as in memory. Nothing may be left for a loader to do.
fn sections(elf: &Elf<'_>, wrong: &mut Vec<String>) -> object::Result<Vec<u8>> {
    let mut flat = vec![];
    for section in elf.sections() {
        let name = String::from_utf8_lossy(section.name_bytes()?);
        let header = section.elf_section_header();
        let kind = header.sh_type(LittleEndian);
        let loader_s = matches!(
            kind,
            elf::SHT_REL | elf::SHT_RELA | elf::SHT_RELR | elf::SHT_DYNAMIC | elf::SHT_DYNSYM
        );
        if loader_s && section.size() > 0 {
            wrong.push(format!(
                "section {name}: there is nobody to do what it asks for"
            ));
        }
        if header.sh_flags(LittleEndian) & u64::from(elf::SHF_ALLOC) == 0 {
            continue;
        }
        let start = section.address();
        let end = start.saturating_add(section.size());
        if kind != elf::SHT_PROGBITS {
            wrong.push(format!("section {name} would not be in the flat file"));
        } else if start < flat.len() as u64 {
            wrong.push(format!("section {name} overlaps the one before it"));
        } else if end > u64::from(MAX_SIZE) {
            wrong.push(format!(
                "section {name} ends at {end:#x}, past the maximum {MAX_SIZE:#x}"
            ));
        } else {
            flat.resize(start as usize, 0);
            flat.extend_from_slice(section.data()?);
        }
    }
    Ok(flat)
}

/// The symbols and their values.
fn symbols<'a>(elf: &Elf<'a>, wrong: &mut Vec<String>) -> object::Result<HashMap<&'a str, u64>> {
    let mut symbols = HashMap::new();
    for symbol in elf.symbols() {
        let name = symbol.name()?;
        if symbol.is_undefined() {
            wrong.push(format!("symbol {name} is not defined"));
        }
        if name.contains("panicking") || name.contains("rust_begin_unwind") {
            wrong.push(format!("symbol {name}: a panic path is left"));
        }
        symbols.insert(name, symbol.address());
    }
    if symbols.is_empty() {
        wrong.push("it has no symbol table to check".into());
    }
    Ok(symbols)
}

/// What the module will rely on, field by field.
fn header(flat: &[u8], entry: u64, symbol: impl Fn(&str) -> u64, wrong: &mut Vec<String>) {
    let Some(header) = Header::read(flat) else {
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
    let offset = header.entry_offset;
    check(
        u64::from(offset) == entry && entry < size,
        format!("entry at {offset:#x}, the program's is {entry:#x}"),
    );
    let first = size_of::<Header>() as u32;
    let (params, epitaph) = (header.params_offset, header.epitaph_offset);
    for (what, offset, len) in [
        ("params", params, size_of::<Params>()),
        ("epitaph", epitaph, size_of::<Epitaph>()),
    ] {
        let symbol = symbol(&format!("handover_{what}"));
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
