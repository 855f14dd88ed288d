//! The stock kernel's purgatory: the object code that Linux itself would run, out of its vmlinuz.
//!
//! The kernel has it as `kexec_purgatory`, a relocatable ELF file among its read-only data, and links
//! it where an image is loaded (`kexec_purgatory_setup_sechdrs` and `arch_kexec_apply_relocations_add`
//! there). There is one such file in a vmlinux that has these symbols, so it is found without a symbol
//! table, which Debian's has not.

use std::collections::HashMap;

use formats::bzimage::BzImage;
use object::elf::{R_X86_64_64, R_X86_64_PC32, R_X86_64_PLT32};
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget,
    SectionFlags, SectionIndex,
};

use crate::code::Code;

/// The purgatory of the kernel `vmlinuz`.
pub fn map(vmlinuz: &[u8]) -> Code {
    let vmlinuz = BzImage::parse(vmlinuz).expect("a bzImage");
    let vmlinux = vmlinuz.unpack().expect("a kernel packed with zstd");
    let program = purgatory(&vmlinux).expect("a purgatory in the kernel");
    let (linked, sha256) = link(&program);
    // SAFETY: It is linked for any place, and this is `sha256` of lib/crypto/sha256.c, which calls what
    // is linked with it and nothing else. It is built without SSE, and wants a stack.
    unsafe { Code::map(&linked, sha256) }
}

/// The relocatable ELF file with a `purgatory_start`.
fn purgatory(vmlinux: &[u8]) -> Option<object::File<'_>> {
    const MAGIC: &[u8] = b"\x7fELF\x02\x01\x01";
    let starts = (0..vmlinux.len()).filter(|at| vmlinux[*at..].starts_with(MAGIC));
    starts.into_iter().skip(1).find_map(|at| {
        let file = object::File::parse(&vmlinux[at..]).ok()?;
        let found = file.symbol_by_name("purgatory_start").is_some();
        (file.kind() == object::ObjectKind::Relocatable && found).then_some(file)
    })
}

/// Its loaded sections, one behind the other, and where `sha256` is.
fn link(file: &object::File<'_>) -> (Vec<u8>, usize) {
    let mut memory = Vec::new();
    let mut places = HashMap::<SectionIndex, usize>::new();
    for section in file.sections().filter(is_loaded) {
        let align = usize::try_from(section.align().max(1)).expect("a 64-bit host");
        memory.resize(memory.len().next_multiple_of(align), 0);
        places.insert(section.index(), memory.len());
        let data = section.data().expect("a whole section");
        memory.extend_from_slice(data);
        let rest = usize::try_from(section.size()).expect("a 64-bit host") - data.len();
        memory.resize(memory.len() + rest, 0);
    }
    let place = |symbol: &object::Symbol<'_, '_>| {
        let section = symbol.section_index().expect("a defined symbol");
        places[&section] as i64 + symbol.address() as i64
    };
    // What the code needs; tables of addresses are for those who patch a kernel.
    let text = file.section_by_name(".text").expect("a .text");
    for (offset, relocation) in text.relocations() {
        let at = places[&text.index()] + usize::try_from(offset).expect("a 64-bit host");
        let RelocationTarget::Symbol(symbol) = relocation.target() else {
            panic!("a relocation without a symbol");
        };
        let symbol = file.symbol_by_index(symbol).expect("the symbol");
        let value = place(&symbol) + relocation.addend();
        let RelocationFlags::Elf { r_type } = relocation.flags() else {
            panic!("an ELF file has relocations of ELF's");
        };
        match r_type {
            R_X86_64_PC32 | R_X86_64_PLT32 => {
                let relative = i32::try_from(value - at as i64).expect("it is near");
                memory[at..at + 4].copy_from_slice(&relative.to_le_bytes());
            }
            R_X86_64_64 => panic!("an address in code that was built for any place"),
            other => panic!("a relocation of type {other}"),
        }
    }
    let sha256 = file.symbol_by_name("sha256").expect("its sha256");
    (memory, usize::try_from(place(&sha256)).expect("in memory"))
}

fn is_loaded(section: &object::Section<'_, '_>) -> bool {
    let SectionFlags::Elf { sh_flags } = section.flags() else {
        return false;
    };
    sh_flags & u64::from(object::elf::SHF_ALLOC) != 0
}
