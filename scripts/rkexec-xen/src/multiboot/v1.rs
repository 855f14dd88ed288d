//! Version 1: a structure with pointers (Multiboot specification 0.6.96, 3.3).
//!
//! Of the framebuffer nothing is said: Xen does not look at it here (`mbi_reloc()`, `xen/arch/x86/boot/reloc.c`).

use super::{halves, push_text, push_words, Information, LOADER_NAME};

/// Bytes of the structure, up to the name of the loader.
const STRUCTURE_BYTES: usize = 68;
const MODULE_BYTES: usize = 16;
/// Bytes of an entry of the memory map without the word with its size.
const ENTRY_BYTES: u32 = 20;

const HAS_MEMORY: u32 = 1 << 0;
const HAS_COMMAND_LINE: u32 = 1 << 2;
const HAS_MODULES: u32 = 1 << 3;
const HAS_MEMORY_MAP: u32 = 1 << 6;
const HAS_LOADER_NAME: u32 = 1 << 9;

/// The structure, and behind it all that it points to: modules, memory map, texts.
pub(super) fn bytes(information: &Information<'_>, at: u32) -> Vec<u8> {
    let modules_at = STRUCTURE_BYTES.next_multiple_of(8);
    let map_at = modules_at + information.modules.len() * MODULE_BYTES;
    let texts_at = map_at + information.map.len() * (ENTRY_BYTES as usize + 4);
    let address = |offset: usize| at + offset as u32;

    let mut texts = Vec::new();
    let mut text = |text: &str| {
        let place = address(texts_at + texts.len());
        push_text(&mut texts, text);
        place
    };
    let command_line = text(information.command_line);
    let loader_name = text(LOADER_NAME);
    let mut modules = Vec::new();
    for module in information.modules {
        let words = [module.start, module.end, text(&module.command_line), 0];
        push_words(&mut modules, &words);
    }

    let mut map = Vec::new();
    for entry in information.map {
        push_words(&mut map, &[ENTRY_BYTES]);
        push_words(&mut map, &halves(entry.start));
        push_words(&mut map, &halves(entry.len_bytes));
        push_words(&mut map, &[entry.kind_raw]);
    }

    let flags = HAS_MEMORY | HAS_COMMAND_LINE | HAS_MODULES | HAS_MEMORY_MAP | HAS_LOADER_NAME;
    let mut bytes = Vec::new();
    push_words(
        &mut bytes,
        &[flags, information.lower_kib, information.upper_kib],
    );
    push_words(&mut bytes, &[0, command_line]); // no boot device
    push_words(
        &mut bytes,
        &[information.modules.len() as u32, address(modules_at)],
    );
    push_words(&mut bytes, &[0; 4]); // no symbols
    push_words(&mut bytes, &[map.len() as u32, address(map_at)]);
    push_words(&mut bytes, &[0; 3]); // no drives, no table of the BIOS's
    push_words(&mut bytes, &[loader_name]);
    bytes.resize(modules_at, 0);
    bytes.extend(modules);
    bytes.extend(map);
    bytes.extend(texts);
    bytes
}

#[cfg(test)]
mod tests {
    use rkexec::memmap::MapEntry;

    use super::*;
    use crate::multiboot::Module;

    const AT: u32 = 0x10_0000;

    fn word(bytes: &[u8], at: u32) -> u32 {
        let at = at as usize;
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    fn text(bytes: &[u8], address: u32) -> &str {
        let bytes = &bytes[(address - AT) as usize..];
        let end = bytes.iter().position(|&byte| byte == 0).unwrap();
        std::str::from_utf8(&bytes[..end]).unwrap()
    }

    #[test]
    fn everything_is_where_the_structure_says() {
        let modules = ["/vmlinuz root=x", "/initrd"].map(|line| Module {
            start: 0x100_0000,
            end: 0x200_0001,
            command_line: line.into(),
        });
        let map = [
            MapEntry {
                start: 0,
                len_bytes: 0x9_fc00,
                kind_raw: 1,
            },
            MapEntry {
                start: 0x1_0000_0000,
                len_bytes: 0x3_0000_0000,
                kind_raw: 7,
            },
        ];
        let bytes = bytes(
            &Information {
                command_line: "/xen.gz dom0_mem=1G",
                modules: &modules,
                map: &map,
                lower_kib: 639,
                upper_kib: 1000,
                framebuffer: None,
            },
            AT,
        );
        assert_eq!(word(&bytes, 0), 0x24d, "flags");
        assert_eq!([word(&bytes, 4), word(&bytes, 8)], [639, 1000]);
        assert_eq!(text(&bytes, word(&bytes, 16)), "/xen.gz dom0_mem=1G");
        assert_eq!(text(&bytes, word(&bytes, 64)), LOADER_NAME);
        assert_eq!(word(&bytes, 20), 2);
        let second = word(&bytes, 24) - AT + 16;
        assert_eq!(
            [word(&bytes, second), word(&bytes, second + 4)],
            [0x100_0000, 0x200_0001]
        );
        assert_eq!(text(&bytes, word(&bytes, second + 8)), "/initrd");
        assert_eq!(word(&bytes, 44), 48, "bytes of the memory map");
        let second = word(&bytes, 48) - AT + 24;
        let entry: Vec<_> = (0..6)
            .map(|number| word(&bytes, second + 4 * number))
            .collect();
        assert_eq!(entry, [20, 0, 1, 0, 3, 7]);
    }
}
