//! Checks a linked module's undefined symbols and rewrites the allowed ones as livepatch symbols.
//!
//! [`convert`] reads the module with [`Builder`], which holds relocations by symbol rather than by
//! index, so that nothing has to be renumbered by hand when sections come and go.

use std::collections::HashSet;

use object::build::elf::{Builder, Relocation, SectionData, SectionId, SymbolId};
use object::elf;
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, SectionFlags};

use crate::allow::AllowList;
use crate::modinfo::ModInfo;
use crate::problem::Problem;
use crate::symvers::{Access, Exports};

/// Section index of a symbol that livepatch resolves (include/uapi/linux/elf.h).
pub const SHN_LIVEPATCH: u16 = 0xff20;
/// Section flag of relocations that livepatch applies (include/uapi/linux/elf.h).
pub const SHF_RELA_LIVEPATCH: u64 = 0x0010_0000;

/// The size of one `Elf64_Rela`.
const RELA_SIZE: u64 = 24;

/// A converted module.
#[derive(Debug)]
pub struct Converted {
    /// The new ELF file.
    pub image: Vec<u8>,
    /// The names that became livepatch symbols, sorted.
    pub symbols: Vec<String>,
    /// How many relocations moved into livepatch sections.
    pub relocations: usize,
    /// Weak symbols that nobody exports: they stay, and the loader makes them null.
    pub null_weak: Vec<String>,
}

/// Converts a linked module, or says everything that is wrong with it.
///
/// # Errors
///
/// Every [`Problem`] of the symbols at once; the more basic ones alone.
pub fn convert(
    input: &[u8],
    exports: &Exports,
    allow: &AllowList,
) -> Result<Converted, Vec<Problem>> {
    let modinfo = inspect(input).map_err(|problem| vec![problem])?;
    let mut module = Builder::read(input).map_err(|e| vec![Problem::Unreadable(e.to_string())])?;

    let verdict = judge(&module, exports, allow, &modinfo);
    let moved = take_relocations(&mut module, &verdict.livepatch);
    let mut problems = verdict.problems;
    problems.extend(unsupported(&module, &moved));
    if !problems.is_empty() {
        return Err(problems);
    }

    let symbols = mark_symbols(&mut module, &verdict.livepatch);
    let relocations = moved.iter().map(|m| m.relocations.len()).sum();
    add_sections(&mut module, moved);

    let mut image = Vec::new();
    module
        .write(&mut image)
        .map_err(|e| vec![Problem::Unreadable(e.to_string())])?;
    Ok(Converted {
        image,
        symbols,
        relocations,
        null_weak: verdict.null_weak,
    })
}

/// Refuses what is not a livepatch module waiting for its relocations; gives its modinfo.
fn inspect(input: &[u8]) -> Result<ModInfo, Problem> {
    let unreadable = |e: object::Error| Problem::Unreadable(e.to_string());
    let file = ElfFile64::<Endianness>::parse(input).map_err(unreadable)?;
    let header = file.elf_header();
    let endian = file.endian();
    if header.e_type.get(endian) != elf::ET_REL || header.e_machine.get(endian) != elf::EM_X86_64 {
        return Err(Problem::WrongKind);
    }
    // The builder cannot read allocated relocation sections, so this has to be seen before it runs.
    let converted_section = file.sections().any(|section| {
        matches!(section.flags(), SectionFlags::Elf { sh_flags } if sh_flags & SHF_RELA_LIVEPATCH != 0)
    });
    let converted_symbol = file
        .symbols()
        .any(|symbol| symbol.elf_symbol().st_shndx.get(endian) == SHN_LIVEPATCH);
    if converted_section || converted_symbol {
        return Err(Problem::AlreadyConverted);
    }

    let modinfo = match file.section_by_name(".modinfo") {
        Some(section) => ModInfo::parse(section.data().map_err(unreadable)?),
        None => ModInfo::default(),
    };
    let is_livepatch = modinfo.values("livepatch").any(|value| value == "Y");
    match is_livepatch {
        true => Ok(modinfo),
        false => Err(Problem::NotALivepatch),
    }
}

/// What is to happen to the undefined symbols.
#[derive(Default)]
struct Verdict {
    livepatch: Vec<SymbolId>,
    null_weak: Vec<String>,
    problems: Vec<Problem>,
}

/// Sorts the undefined symbols into exported, allowed and wrong ones.
fn judge(module: &Builder<'_>, exports: &Exports, allow: &AllowList, info: &ModInfo) -> Verdict {
    let mut verdict = Verdict::default();
    let mut used = HashSet::new();
    for symbol in &module.symbols {
        let undefined = symbol.section.is_none() && symbol.st_shndx == elf::SHN_UNDEF;
        let name = symbol.name.to_string();
        // Assemblers leave the GOT's name behind in position-independent code; the loader skips it.
        if !undefined || name.is_empty() || name == "_GLOBAL_OFFSET_TABLE_" {
            continue;
        }
        let export = exports.get(&name);
        let access = export.map(|export| (export, export.access(info)));
        match access {
            Some((_, Access::Granted)) => {}
            Some((export, Access::NeedsImport)) => {
                verdict.problems.push(Problem::MissingImport {
                    symbol: name.clone(),
                    namespace: export.namespace.clone(),
                });
            }
            None | Some((_, Access::OthersOnly)) if allow.contains(&name) => {
                verdict.livepatch.push(symbol.id());
            }
            None | Some((_, Access::OthersOnly)) if symbol.st_bind() == elf::STB_WEAK => {
                verdict.null_weak.push(name.clone());
            }
            None | Some((_, Access::OthersOnly)) => {
                verdict.problems.push(Problem::Unresolved(name.clone()));
            }
        }
        used.insert(name);
    }
    for name in allow.iter() {
        let export = exports.get(name);
        let reachable = export.filter(|export| export.access(info) != Access::OthersOnly);
        let problem = match reachable {
            Some(export) => Problem::Exported {
                symbol: name.to_owned(),
                owner: export.owner.clone(),
            },
            None if !used.contains(name) => Problem::Unused(name.to_owned()),
            None => continue,
        };
        verdict.problems.push(problem);
    }
    verdict
}

/// Relocations taken out of one section.
struct Moved {
    /// The section that the relocations change.
    target: SectionId,
    /// The symbol table.
    symtab: Option<SectionId>,
    relocations: Vec<Relocation>,
}

/// Takes the relocations against `livepatch` symbols out of the sections that the loader relocates.
///
/// All kinds of section are treated alike, whatever else the kernel does with them (static calls,
/// jump labels, return sites, ORC, alternatives): relocations against the kernel proper are applied
/// together with the ordinary ones, before any of those tables is used. Relocations of debug
/// information stay where they are: the loader skips sections that take no memory.
fn take_relocations(module: &mut Builder<'_>, livepatch: &[SymbolId]) -> Vec<Moved> {
    let loaded: Vec<SectionId> = module
        .sections
        .iter()
        .filter(|section| section.is_alloc())
        .map(|section| section.id())
        .collect();
    let is_livepatch = |relocation: &Relocation| {
        relocation
            .symbol
            .is_some_and(|symbol| livepatch.contains(&symbol))
    };
    let mut moved = Vec::new();
    for section in &mut module.sections {
        let Some(target) = section.sh_info_section.filter(|id| loaded.contains(id)) else {
            continue;
        };
        let SectionData::Relocation(relocations) = &mut section.data else {
            continue;
        };
        let (taken, kept): (Vec<_>, Vec<_>) = relocations.drain(..).partition(is_livepatch);
        *relocations = kept;
        if taken.is_empty() {
            continue;
        }
        section.delete = relocations.is_empty();
        moved.push(Moved {
            target,
            symtab: section.sh_link_section,
            relocations: taken,
        });
    }
    moved
}

/// The relocations that the kernel's `apply_relocate_add()` would refuse
/// (arch/x86/kernel/module.c): better now than at load time.
fn unsupported(module: &Builder<'_>, moved: &[Moved]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for Moved {
        target,
        relocations,
        ..
    } in moved
    {
        for relocation in relocations {
            let known = matches!(
                relocation.r_type,
                elf::R_X86_64_64
                    | elf::R_X86_64_32
                    | elf::R_X86_64_32S
                    | elf::R_X86_64_PC32
                    | elf::R_X86_64_PLT32
                    | elf::R_X86_64_PC64
            );
            if let (false, Some(symbol)) = (known, relocation.symbol) {
                problems.push(Problem::UnsupportedRelocation {
                    symbol: module.symbols.get(symbol).name.to_string(),
                    section: module.sections.get(*target).name.to_string(),
                    r_type: relocation.r_type,
                });
            }
        }
    }
    problems
}

/// Renames the symbols and moves them to `SHN_LIVEPATCH`; gives their former names, sorted.
fn mark_symbols(module: &mut Builder<'_>, livepatch: &[SymbolId]) -> Vec<String> {
    let mut names = Vec::new();
    for id in livepatch {
        let symbol = module.symbols.get_mut(*id);
        let name = symbol.name.to_string();
        // Position 0 says: the name is unique in the kernel. The loader refuses if it is not.
        symbol.name = format!(".klp.sym.vmlinux.{name},0").into_bytes().into();
        symbol.st_shndx = SHN_LIVEPATCH;
        names.push(name);
    }
    names.sort();
    names
}

/// Puts the moved relocations into sections of their own.
fn add_sections(module: &mut Builder<'_>, moved: Vec<Moved>) {
    for Moved {
        target,
        symtab,
        relocations,
    } in moved
    {
        let name = format!(".klp.rela.vmlinux.{}", module.sections.get(target).name);
        let section = module.sections.add();
        section.name = name.into_bytes().into();
        section.sh_type = elf::SHT_RELA;
        // ALLOC: livepatch reads them from the loaded module, where they are applied in one go.
        section.sh_flags = u64::from(elf::SHF_ALLOC | elf::SHF_INFO_LINK) | SHF_RELA_LIVEPATCH;
        section.sh_info_section = Some(target);
        section.sh_link_section = symtab;
        section.sh_addralign = 8;
        section.sh_entsize = RELA_SIZE;
        section.data = SectionData::Relocation(relocations);
    }
}
