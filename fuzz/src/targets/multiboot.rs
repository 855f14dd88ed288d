//! What a hypervisor is told: any information, in either version, read back by the protocol's own walk. The framebuffer is
//! what any `struct screen_info` tells of.

use rkexec_xen::hypervisor::Protocol;
use rkexec_xen::multiboot::{Information, Module};
use rkexec_xen::screen;

use crate::common::put;
use crate::input::real_maps;
use crate::{Bytes, Input};

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let at = u32::from(input.number::<u16>()) << 8;
    let mut text = |most| {
        let length = input.up_to(most);
        let bytes = input.bytes(length.into());
        // Texts end at a zero.
        String::from_utf8_lossy(bytes).replace('\0', "_")
    };
    let command_line = text(200);
    let texts = [text(40), text(40)];
    let modules = texts.map(|command_line| Module {
        start: 0x100_0000,
        end: 0x100_0000 + command_line.len() as u32,
        command_line,
    });
    let modules = &modules[..input.up_to(2).into()];
    let map = input.map(48);
    let (lower_kib, upper_kib) = (input.number(), input.number());
    let information = Information {
        command_line: &command_line,
        modules,
        map: &map,
        lower_kib,
        upper_kib,
        framebuffer: screen::parse(input.rest()),
    };
    version_1(&information, at);
    version_2(&information);
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("inside"))
}

/// The numbers of an entry of a memory map, at `at`.
fn entry(bytes: &[u8], at: usize) -> (u64, u64, u32) {
    let long = |at| u64::from(word(bytes, at)) | (u64::from(word(bytes, at + 4)) << 32);
    (long(at), long(at + 8), word(bytes, at + 16))
}

fn version_1(information: &Information<'_>, at: u32) {
    let bytes = information.bytes(Protocol::Multiboot1, at);
    let offset = |address: u32| (address - at) as usize;
    let text = |address: u32| {
        let text = bytes[offset(address)..].split(|it| *it == 0).next().expect("a text");
        std::str::from_utf8(text).expect("UTF-8")
    };
    assert_eq!((word(&bytes, 4), word(&bytes, 8)), (information.lower_kib, information.upper_kib));
    assert_eq!(text(word(&bytes, 16)), information.command_line);
    assert_eq!(word(&bytes, 20) as usize, information.modules.len());
    for (nr, module) in information.modules.iter().enumerate() {
        let at = offset(word(&bytes, 24)) + 16 * nr;
        assert_eq!((word(&bytes, at), word(&bytes, at + 4)), (module.start, module.end));
        assert_eq!(text(word(&bytes, at + 8)), module.command_line);
    }
    assert_eq!(word(&bytes, 44) as usize, 24 * information.map.len());
    for (nr, it) in information.map.iter().enumerate() {
        let at = offset(word(&bytes, 48)) + 24 * nr;
        assert_eq!(word(&bytes, at), 20);
        assert_eq!(entry(&bytes, at + 4), (it.start, it.len_bytes, it.kind_raw));
    }
}

fn version_2(information: &Information<'_>) {
    let bytes = information.bytes(Protocol::Multiboot2 { relocatable: None }, 0);
    assert_eq!(word(&bytes, 0) as usize, bytes.len());
    let (mut at, mut texts, mut kinds) = (8, Vec::new(), Vec::new());
    while at < bytes.len() {
        let (kind, size) = (word(&bytes, at), word(&bytes, at + 4) as usize);
        let body = &bytes[at + 8..at + size];
        let text = |from: usize| body[from..].strip_suffix(b"\0").expect("a text").to_vec();
        match kind {
            1 => texts.push(text(0)),
            3 => texts.push(text(8)),
            4 => assert_eq!((word(body, 0), word(body, 4)), (information.lower_kib, information.upper_kib)),
            6 => {
                let entries = body[8..].chunks(24).map(|it| entry(it, 0));
                let expected = information.map.iter();
                assert!(entries.eq(expected.map(|it| (it.start, it.len_bytes, it.kind_raw))));
            }
            _ => {}
        }
        kinds.push(kind);
        at = (at + size).next_multiple_of(8);
    }
    assert_eq!(at, bytes.len());
    assert_eq!(kinds.last(), Some(&0));
    assert_eq!(kinds.contains(&8), information.framebuffer.is_some());
    let modules = information.modules.iter().map(|it| it.command_line.as_str());
    let expected = [information.command_line].into_iter().chain(modules);
    assert!(texts.iter().map(Vec::as_slice).eq(expected.map(str::as_bytes)));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    // EFI, 1280 x 800 pixels of 32 bits, 5120 bytes a line.
    let mut screen = vec![0; 64];
    let fields: [(usize, &[u8]); 8] = [
        (0x0f, &[0x70]),
        (0x12, &[0, 5, 0x20, 3, 32, 0]),
        (0x18, &[0, 0, 0, 0xc0]),
        (0x1c, &[0, 0, 0x3f, 0]),
        (0x24, &[0, 0x14]),
        (0x26, &[8, 16, 8, 8, 8, 0, 8, 24]),
        (0x36, &[0]),
        (0x3a, &[0]),
    ];
    fields.iter().for_each(|(at, value)| put(&mut screen, *at, value));
    let text = |to: Bytes, text: &str| to.byte(text.len() as u8).bytes(text.as_bytes());
    let maps = real_maps().into_iter().step_by(6);
    let seed = |map: formats::e820::Machine| {
        let to = text(Bytes::new().half(0x1000), "/xen.gz dom0_mem=2G");
        let to = text(text(to, "/vmlinuz ro"), "/initrd").byte(2).map(&map.entries);
        to.word(639).bytes(&screen).0
    };
    maps.map(seed).collect()
}
