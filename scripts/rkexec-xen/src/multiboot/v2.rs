//! Version 2: a list of tags (Multiboot2 specification 2.0, 3.6).
//!
//! There is none of EFI's. Who passes the system table says that boot services have ended, and Xen refuses to be
//! started so (`.Lmb2_no_bs`, `xen/arch/x86/boot/head.S`). Without them it takes the machine for one with a BIOS; what it
//! misses there, `low_memory.rs` sees to. ACPI's root pointer can have a tag, too, but no Xen reads that.

use super::{halves, push_text, push_words, Information, LOADER_NAME};
use crate::screen::Framebuffer;

const END: u32 = 0;
const COMMAND_LINE: u32 = 1;
const BOOT_LOADER_NAME: u32 = 2;
const MODULE: u32 = 3;
const BASIC_MEMORY_INFORMATION: u32 = 4;
const MEMORY_MAP: u32 = 6;
const VBE: u32 = 7;
const FRAMEBUFFER: u32 = 8;

/// Bytes of an entry of the memory map.
const ENTRY_BYTES: u32 = 24;

pub(super) fn bytes(information: &Information<'_>) -> Vec<u8> {
    // The size of it all, which is filled in, and a word that is reserved.
    let mut list = vec![0; 8];
    tag(&mut list, COMMAND_LINE, |body| {
        push_text(body, information.command_line)
    });
    tag(&mut list, BOOT_LOADER_NAME, |body| {
        push_text(body, LOADER_NAME)
    });
    for module in information.modules {
        tag(&mut list, MODULE, |body| {
            push_words(body, &[module.start, module.end]);
            push_text(body, &module.command_line);
        });
    }
    tag(&mut list, BASIC_MEMORY_INFORMATION, |body| {
        push_words(body, &[information.lower_kib, information.upper_kib]);
    });
    tag(&mut list, MEMORY_MAP, |body| {
        push_words(body, &[ENTRY_BYTES, 0]);
        for entry in information.map {
            push_words(body, &halves(entry.start));
            push_words(body, &halves(entry.len_bytes));
            push_words(body, &[entry.kind_raw, 0]);
        }
    });
    if let Some(framebuffer) = &information.framebuffer {
        tag(&mut list, VBE, |body| vbe(body, framebuffer));
        tag(&mut list, FRAMEBUFFER, |body| rgb(body, framebuffer));
    }
    tag(&mut list, END, |_| {});
    let bytes = list.len() as u32;
    list[..4].copy_from_slice(&bytes.to_le_bytes());
    list
}

/// Appends a tag: its type, its size without what pads it, and what `write` writes.
fn tag(list: &mut Vec<u8>, kind: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    write(&mut body);
    push_words(list, &[kind, 8 + body.len() as u32]);
    list.extend(body);
    list.resize(list.len().next_multiple_of(8), 0);
}

/// What a VESA BIOS would say of the mode (VBE 3.0): Xen knows its framebuffer by this, and takes of the control
/// information the version, the capabilities and the size.
fn vbe(body: &mut Vec<u8>, framebuffer: &Framebuffer) {
    /// A mode that is there, has colours, graphics and a linear framebuffer.
    const ATTRIBUTES: u16 = 0x9b;

    let mut control = [0; 512];
    put(&mut control, 0, b"VESA");
    put(&mut control, 4, &0x300_u16.to_le_bytes());
    let units = framebuffer
        .bytes
        .div_ceil(0x1_0000)
        .min(u64::from(u16::MAX)) as u16;
    put(&mut control, 18, &units.to_le_bytes());

    let mut mode = [0; 256];
    let [red, green, blue, rest] = framebuffer.channels;
    put(&mut mode, 0, &ATTRIBUTES.to_le_bytes());
    put(&mut mode, 16, &framebuffer.bytes_per_line.to_le_bytes());
    put(&mut mode, 18, &framebuffer.width.to_le_bytes());
    put(&mut mode, 20, &framebuffer.height.to_le_bytes());
    put(&mut mode, 24, &[1, framebuffer.bits_per_pixel]); // planes
    put(&mut mode, 27, &[6]); // direct colours
    let channels = [red, green, blue, rest].map(|channel| [channel.bits, channel.position]);
    put(&mut mode, 31, channels.as_flattened());
    put(&mut mode, 40, &framebuffer.address.to_le_bytes());

    body.extend([0; 8]); // the mode's number, and the interface in protected mode: not known, none
    body.extend(control);
    body.extend(mode);
}

/// The framebuffer by the specification's own tag.
fn rgb(body: &mut Vec<u8>, framebuffer: &Framebuffer) {
    const RGB: u8 = 1;

    push_words(body, &halves(framebuffer.address.into()));
    let (width, height) = (framebuffer.width.into(), framebuffer.height.into());
    push_words(body, &[framebuffer.bytes_per_line.into(), width, height]);
    body.extend([framebuffer.bits_per_pixel, RGB, 0, 0]);
    let [red, green, blue, _] = framebuffer.channels;
    body.extend(
        [red, green, blue]
            .iter()
            .flat_map(|channel| [channel.position, channel.bits]),
    );
}

fn put(to: &mut [u8], at: usize, bytes: &[u8]) {
    to[at..at + bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use rkexec::memmap::MapEntry;

    use super::*;
    use crate::multiboot::Module;
    use crate::screen::Channel;

    /// Type and body of each tag, by the specification's own walk.
    fn walk(bytes: &[u8]) -> Vec<(u32, &[u8])> {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(word(0) as usize, bytes.len());
        let mut at = 8;
        let mut tags = Vec::new();
        while at < bytes.len() {
            let size = word(at + 4) as usize;
            tags.push((word(at), &bytes[at + 8..at + size]));
            at = (at + size).next_multiple_of(8);
        }
        tags
    }

    fn information<'a>(modules: &'a [Module], map: &'a [MapEntry]) -> Information<'a> {
        Information {
            command_line: "/xen.gz no-real-mode",
            modules,
            map,
            lower_kib: 639,
            upper_kib: 1000,
            framebuffer: None,
        }
    }

    #[test]
    fn the_tags_can_be_walked_to_the_end() {
        let modules = [Module {
            start: 0x100_0000,
            end: 0x100_0001,
            command_line: "/vmlinuz ro".into(),
        }];
        let map = [MapEntry {
            start: 0x1_0000_0000,
            len_bytes: 0x1000,
            kind_raw: 1,
        }];
        let bytes = bytes(&information(&modules, &map));
        let tags = walk(&bytes);
        let kinds: Vec<_> = tags.iter().map(|tag| tag.0).collect();
        assert_eq!(kinds, [1, 2, 3, 4, 6, 0]);
        assert_eq!(tags[0].1, b"/xen.gz no-real-mode\0");
        assert_eq!(tags[2].1, b"\0\0\0\x01\x01\0\0\x01/vmlinuz ro\0");
        assert_eq!(tags[3].1, [0x7f, 2, 0, 0, 0xe8, 3, 0, 0]);
        let entry = [
            0, 0, 0, 0, 1, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(tags[4].1[..8], [24, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(tags[4].1[8..], entry);
        assert_eq!(tags[5].1, b"");
    }

    #[test]
    fn a_framebuffer_is_told_of_as_a_vesa_mode_and_as_itself() {
        let channel = |position, bits| Channel { bits, position };
        let mut information = information(&[], &[]);
        information.framebuffer = Some(Framebuffer {
            address: 0xc000_0000,
            bytes: 1280 * 800 * 4,
            width: 1280,
            height: 800,
            bytes_per_line: 5120,
            bits_per_pixel: 32,
            channels: [channel(16, 8), channel(8, 8), channel(0, 8), channel(24, 8)],
        });
        let bytes = bytes(&information);
        let tags = walk(&bytes);
        let vbe = tags.iter().find(|tag| tag.0 == VBE).unwrap().1;
        assert_eq!(vbe.len(), 8 + 512 + 256);
        assert_eq!(vbe[8 + 18..8 + 20], [63, 0], "in units of 64 KiB");
        let mode = &vbe[8 + 512..];
        assert_eq!(mode[16..22], [0, 20, 0, 5, 0x20, 3]);
        assert_eq!(mode[31..39], [8, 16, 8, 8, 8, 0, 8, 24]);
        assert_eq!(mode[40..44], [0, 0, 0, 0xc0]);
        let rgb = tags.iter().find(|tag| tag.0 == FRAMEBUFFER).unwrap().1;
        assert_eq!(rgb.len(), 30);
        assert_eq!(rgb[20..], [32, 1, 0, 0, 16, 8, 8, 8, 0, 8]);
    }
}
