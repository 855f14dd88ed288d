//! Converts small modules made here and looks at the result through the reading half of `object`,
//! which knows nothing of what the rewriting half did.

use std::collections::HashMap;

use klp_relocs::allow::AllowList;
use klp_relocs::convert::{convert, Converted, SHF_RELA_LIVEPATCH, SHN_LIVEPATCH};
use klp_relocs::problem::Problem;
use klp_relocs::symvers::Exports;
use object::read::elf::{ElfFile64, FileHeader as _, Rela as _, SectionHeader as _, Sym as _};
use object::write::{
    Object, Relocation, SectionId, StandardSection, Symbol, SymbolId, SymbolSection,
};
use object::{
    elf, Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags,
    SymbolKind, SymbolScope,
};

const SYMVERS: &str = "0x0\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n\
    0x0\tcxl_call\tdrivers/cxl\tEXPORT_SYMBOL_GPL\tCXL\n\
    0x0\tkvm_only\tvmlinux\tEXPORT_SYMBOL_GPL\tmodule:kvm\n";

/// A module under construction: some text, some data, and a symbol of its own.
struct Module {
    object: Object<'static>,
    text: SectionId,
    data: SectionId,
    /// The undefined symbols so far.
    undefined: HashMap<String, SymbolId>,
}

impl Module {
    fn new() -> Self {
        Self::with_modinfo(b"name=small\0livepatch=Y\0")
    }

    fn with_modinfo(modinfo: &[u8]) -> Self {
        let mut object = Object::new(
            BinaryFormat::Elf,
            Architecture::X86_64,
            object::Endianness::Little,
        );
        let text = object.section_id(StandardSection::Text);
        object.append_section_data(text, &[0; 64], 16);
        let data = object.section_id(StandardSection::Data);
        object.append_section_data(data, &[0; 64], 8);
        let info = object.add_section(vec![], b".modinfo".to_vec(), SectionKind::ReadOnlyData);
        object.append_section_data(info, modinfo, 1);
        object.add_symbol(Symbol {
            name: b"own_function".to_vec(),
            value: 16,
            size: 4,
            kind: SymbolKind::Text,
            scope: SymbolScope::Linkage,
            weak: false,
            section: SymbolSection::Section(text),
            flags: SymbolFlags::None,
        });
        Self {
            object,
            text,
            data,
            undefined: HashMap::new(),
        }
    }

    /// Adds a relocation of `section` at `offset` against `name`, made an undefined symbol if new.
    fn refer(self, section: SectionId, offset: u64, name: &str, r_type: u32) -> Self {
        self.refer_with(section, offset, name, r_type, false)
    }

    fn refer_with(
        mut self,
        section: SectionId,
        offset: u64,
        name: &str,
        r_type: u32,
        weak: bool,
    ) -> Self {
        let symbol = *self.undefined.entry(name.to_owned()).or_insert_with(|| {
            self.object.add_symbol(Symbol {
                name: name.as_bytes().to_vec(),
                value: 0,
                size: 0,
                kind: SymbolKind::Unknown,
                scope: SymbolScope::Unknown,
                weak,
                section: SymbolSection::Undefined,
                flags: SymbolFlags::None,
            })
        });
        let relocation = Relocation {
            offset,
            symbol,
            addend: -4,
            flags: RelocationFlags::Elf { r_type },
        };
        self.object.add_relocation(section, relocation).unwrap();
        self
    }

    fn in_text(self, offset: u64, name: &str) -> Self {
        let text = self.text;
        self.refer(text, offset, name, elf::R_X86_64_PLT32)
    }

    fn in_data(self, offset: u64, name: &str) -> Self {
        let data = self.data;
        self.refer(data, offset, name, elf::R_X86_64_64)
    }

    fn image(&self) -> Vec<u8> {
        self.object.write().unwrap()
    }

    fn convert(&self, allow: &str) -> Result<Converted, Vec<Problem>> {
        convert_image(&self.image(), allow)
    }
}

fn convert_image(image: &[u8], allow: &str) -> Result<Converted, Vec<Problem>> {
    let mut exports = Exports::default();
    exports.add(SYMVERS).unwrap();
    convert(image, &exports, &AllowList::parse(allow).unwrap())
}

/// One relocation as it stands in a file: section, offset, symbol's name, its section index, type.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    section: String,
    offset: u64,
    symbol: String,
    shndx: u16,
    r_type: u32,
    addend: i64,
}

/// Every relocation of the file, sorted.
fn relocations(image: &[u8]) -> Vec<Seen> {
    let header = elf::FileHeader64::<Endianness>::parse(image).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, image).unwrap();
    let symbols = sections.symbols(endian, image, elf::SHT_SYMTAB).unwrap();
    let mut seen = Vec::new();
    for section in sections.iter() {
        let Some((entries, link)) = section.rela(endian, image).unwrap() else {
            continue;
        };
        assert_eq!(link, symbols.section(), "sh_link is the symbol table");
        for entry in entries {
            let index = entry.symbol(endian, false).unwrap();
            let symbol = symbols.symbol(index).unwrap();
            seen.push(Seen {
                section: text(sections.section_name(endian, section).unwrap()),
                offset: entry.r_offset.get(endian),
                symbol: text(symbol.name(endian, symbols.strings()).unwrap()),
                shndx: symbol.st_shndx.get(endian),
                r_type: entry.r_type(endian, false),
                addend: entry.r_addend.get(endian),
            });
        }
    }
    seen.sort();
    seen
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn seen(section: &str, offset: u64, symbol: &str, shndx: u16, r_type: u32) -> Seen {
    Seen {
        section: section.to_owned(),
        offset,
        symbol: symbol.to_owned(),
        shndx,
        r_type,
        addend: -4,
    }
}

#[test]
fn allowed_symbols_and_their_relocations_are_moved_and_all_others_stay() {
    let module = Module::new()
        .in_text(4, "machine_ops")
        .in_text(12, "_printk")
        .in_data(8, "machine_ops")
        .in_data(16, "crashk_res");
    let converted = module.convert("machine_ops\ncrashk_res\n").unwrap();
    assert_eq!(converted.symbols, ["crashk_res", "machine_ops"]);
    assert_eq!(converted.relocations, 3);
    let ops = ".klp.sym.vmlinux.machine_ops,0";
    let area = ".klp.sym.vmlinux.crashk_res,0";
    let plt32 = elf::R_X86_64_PLT32;
    let abs64 = elf::R_X86_64_64;
    let expected = [
        seen(".klp.rela.vmlinux..data", 8, ops, SHN_LIVEPATCH, abs64),
        seen(".klp.rela.vmlinux..data", 16, area, SHN_LIVEPATCH, abs64),
        seen(".klp.rela.vmlinux..text", 4, ops, SHN_LIVEPATCH, plt32),
        seen(".rela.text", 12, "_printk", elf::SHN_UNDEF, plt32),
    ];
    assert_eq!(relocations(&converted.image), expected);
}

#[test]
fn livepatch_sections_carry_the_flags_and_links_that_the_loader_wants() {
    let module = Module::new().in_text(4, "machine_ops");
    let image = module.convert("machine_ops").unwrap().image;
    let file = ElfFile64::<Endianness>::parse(&*image).unwrap();
    let endian = file.endian();
    let sections = file.elf_section_table();
    let (_, section) = sections
        .section_by_name(endian, b".klp.rela.vmlinux..text")
        .unwrap();
    let flags = u64::from(elf::SHF_ALLOC | elf::SHF_INFO_LINK) | SHF_RELA_LIVEPATCH;
    assert_eq!(section.sh_flags(endian), flags);
    assert_eq!(section.sh_entsize(endian), 24);
    assert_eq!(section.sh_addralign(endian), 8);
    let target = object::SectionIndex(section.sh_info(endian) as usize);
    let target = sections.section(target).unwrap();
    assert_eq!(sections.section_name(endian, target).unwrap(), b".text");
}

#[test]
fn a_relocation_section_left_empty_disappears() {
    let module = Module::new().in_text(4, "machine_ops");
    let image = module.convert("machine_ops").unwrap().image;
    let file = ElfFile64::<Endianness>::parse(&*image).unwrap();
    let sections = file.elf_section_table();
    assert!(sections
        .section_by_name(file.endian(), b".rela.text")
        .is_none());
}

#[test]
fn contents_and_defined_symbols_are_untouched() {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
    let module = Module::new().in_text(4, "machine_ops");
    let (before, after) = (module.image(), module.convert("machine_ops").unwrap().image);
    let before = ElfFile64::<Endianness>::parse(&*before).unwrap();
    let after = ElfFile64::<Endianness>::parse(&*after).unwrap();
    for name in [".text", ".data", ".modinfo"] {
        let data = |file: &ElfFile64<'_>| {
            let section = file.section_by_name(name).unwrap();
            (section.data().unwrap().to_vec(), section.align())
        };
        assert_eq!(data(&before), data(&after), "{name}");
    }
    let own = after.symbol_by_name("own_function").unwrap();
    assert_eq!((own.address(), own.size()), (16, 4));
}

#[test]
fn relocations_of_debug_information_stay_where_they_are() {
    let mut module = Module::new();
    let kind = SectionKind::Debug;
    let debug = module
        .object
        .add_section(vec![], b".debug_info".to_vec(), kind);
    module.object.append_section_data(debug, &[0; 16], 1);
    let module = module
        .refer(debug, 8, "machine_ops", elf::R_X86_64_64)
        .in_text(4, "machine_ops");
    let converted = module.convert("machine_ops").unwrap();
    assert_eq!(converted.relocations, 1);
    let all = relocations(&converted.image);
    assert!(all.iter().any(|r| r.section == ".rela.debug_info"));
}

#[test]
fn every_unresolved_symbol_is_named() {
    let module = Module::new().in_text(4, "this").in_text(12, "that");
    let problems = module.convert("").unwrap_err();
    let unresolved = |name: &str| Problem::Unresolved(name.to_owned());
    assert_eq!(problems, [unresolved("this"), unresolved("that")]);
}

#[test]
fn an_undefined_this_module_is_a_module_that_was_not_linked() {
    let problems = Module::new().in_text(4, "__this_module").convert("");
    let expected = Problem::Unresolved("__this_module".to_owned());
    assert_eq!(problems.unwrap_err(), [expected]);
}

#[test]
fn a_weak_symbol_that_nobody_exports_is_reported_and_stays() {
    let module = Module::new();
    let text = module.text;
    let module = module.refer_with(text, 4, "maybe", elf::R_X86_64_PC32, true);
    let converted = module.convert("").unwrap();
    assert_eq!(converted.null_weak, ["maybe"]);
    assert_eq!(converted.relocations, 0);
    let converted = module.convert("maybe").unwrap();
    assert!(converted.null_weak.is_empty());
    assert_eq!(converted.symbols, ["maybe"]);
}

#[test]
fn an_allowed_symbol_that_is_exported_is_refused_with_its_owner() {
    let problems = Module::new().in_text(4, "_printk").convert("_printk");
    let (symbol, owner) = ("_printk".to_owned(), "vmlinux".to_owned());
    assert_eq!(problems.unwrap_err(), [Problem::Exported { symbol, owner }]);
}

#[test]
fn an_allowed_symbol_that_nothing_uses_is_refused() {
    let problems = Module::new().convert("own_function\nstale\n").unwrap_err();
    let unused = |name: &str| Problem::Unused(name.to_owned());
    assert_eq!(problems, [unused("own_function"), unused("stale")]);
}

#[test]
fn a_symbol_exported_to_other_modules_only_may_be_allowed() {
    let module = Module::new().in_text(4, "kvm_only");
    let unresolved = Problem::Unresolved("kvm_only".to_owned());
    assert_eq!(module.convert("").unwrap_err(), [unresolved]);
    assert_eq!(module.convert("kvm_only").unwrap().symbols, ["kvm_only"]);
}

#[test]
fn a_namespace_that_is_not_imported_is_named() {
    let problems = Module::new().in_text(4, "cxl_call").convert("");
    let (symbol, namespace) = ("cxl_call".to_owned(), "CXL".to_owned());
    let expected = Problem::MissingImport { symbol, namespace };
    assert_eq!(problems.unwrap_err(), [expected]);
}

#[test]
fn a_relocation_through_the_got_is_refused() {
    let module = Module::new();
    let text = module.text;
    let module = module.refer(text, 4, "machine_ops", elf::R_X86_64_GOTPCREL);
    let expected = Problem::UnsupportedRelocation {
        symbol: "machine_ops".to_owned(),
        section: ".text".to_owned(),
        r_type: elf::R_X86_64_GOTPCREL,
    };
    assert_eq!(module.convert("machine_ops").unwrap_err(), [expected]);
}

#[test]
fn a_module_that_is_no_livepatch_is_refused() {
    let module = Module::with_modinfo(b"name=small\0livepatch=N\0").in_text(4, "machine_ops");
    assert_eq!(
        module.convert("machine_ops").unwrap_err(),
        [Problem::NotALivepatch]
    );
}

#[test]
fn a_converted_module_is_not_converted_again() {
    let module = Module::new().in_text(4, "machine_ops");
    let image = module.convert("machine_ops").unwrap().image;
    let problems = convert_image(&image, "machine_ops").unwrap_err();
    assert_eq!(problems, [Problem::AlreadyConverted]);
}

#[test]
fn what_is_no_elf_file_or_a_truncated_one_is_refused() {
    let unreadable = |problems: Vec<Problem>| matches!(problems[..], [Problem::Unreadable(_)]);
    assert!(unreadable(convert_image(b"not an object", "").unwrap_err()));
    let image = Module::new().in_text(4, "machine_ops").image();
    assert!(unreadable(
        convert_image(&image[..200], "machine_ops").unwrap_err()
    ));
}

#[test]
fn an_executable_is_refused() {
    let mut image = Module::new().image();
    image[16..18].copy_from_slice(&elf::ET_EXEC.to_le_bytes());
    assert_eq!(convert_image(&image, "").unwrap_err(), [Problem::WrongKind]);
}
