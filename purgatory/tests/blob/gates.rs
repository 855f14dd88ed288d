//! The gates let the real hand-over through, and nothing else.

use std::fs;

use handover_gate::flatten;

use crate::artifacts::{self, directory, handover_blob};

fn elf() -> Vec<u8> {
    fs::read(&artifacts::get().elf).unwrap()
}

#[test]
fn the_hand_over_passes() {
    let flat = fs::read(&artifacts::get().flat).unwrap();
    assert_eq!(flatten(&elf()).unwrap().flat, flat);
    // 12 pages are allowed (MAX_SIZE). Each one is asked of the machine in one contiguous piece.
    let pages = flat.len() / 4096;
    assert!(pages <= 6, "it has grown to {pages} pages");
}

#[test]
fn a_panic_path_fails_the_link() {
    let out = directory("unproven-index");
    fs::write(out.join("handover.bin"), "from before").unwrap();
    let output = handover_blob(&out, Some("unproven-index"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    contains(&said, "a_panic_path_is_left_in_the_hand_over");
    let left = out.join("handover.bin").exists();
    assert!(!left, "nothing may be left to embed");
}

/// What the gates say of the real program with the bytes at `offset` of the flat file replaced.
fn patched(offset: usize, bytes: &[u8]) -> String {
    let mut elf = elf();
    // The file begins with its magic number exactly once.
    let header = elf
        .windows(8)
        .position(|window| window == b"rkexecHO")
        .unwrap();
    elf[header + offset..][..bytes.len()].copy_from_slice(bytes);
    flatten(&elf).unwrap_err().join("\n")
}

#[track_caller]
fn contains(said: &str, expected: &str) {
    assert!(said.contains(expected), "{said:?}, not {expected:?}");
}

#[test]
fn every_field_of_the_header_is_checked() {
    let other = "header: params at 0x28, the program's are at 0x20";
    for (offset, bytes, expected) in [
        (0, &b"R"[..], "header: magic"),
        (8, &[0x77], "header: version 119"),
        (12, &[0, 0x50], "header: size 0x5000"),
        (12, &[1], "header: size"),
        (16, &[0x18, 0x01], "header: entry at 0x118"),
        (20, &[0x24], "header: params at 0x24"),
        (20, &[0x18], "header: params at 0x18"),
        (20, &[0x28], other),
        (20, &[0xff, 0xff], "header: params at 0xffff"),
        (24, &[0xe4], "header: epitaph at 0xe4"),
        (28, &[1], "header: padding 0x1"),
        // The parameters must be empty until the module fills them in.
        (40, &[1], "header: params at 0x20: not 208 zero bytes"),
    ] {
        contains(&patched(offset, bytes), expected);
    }
}

/// Where an ELF file of 64 bits says where the section headers are, and how many (ELF-64, figure 2).
const SHOFF: usize = 40;
const SHNUM: usize = 60;
const SECTION_HEADER: usize = 64;

/// What the gates say of the real program with `change` done to the header of its last loaded
/// section.
fn section(change: impl FnOnce(&mut [u8])) -> String {
    let mut elf = elf();
    let word = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().unwrap()) as usize;
    let (table, number) = (word(SHOFF), word(SHNUM) & 0xffff);
    let last = (0..number)
        .map(|nr| table + nr * SECTION_HEADER)
        .filter(|&header| word(header + 8) & 2 != 0)
        .next_back()
        .unwrap();
    change(&mut elf[last..][..SECTION_HEADER]);
    flatten(&elf).unwrap_err().join("\n")
}

#[test]
fn every_section_must_be_in_the_flat_file() {
    let said = section(|header| header[4] = 8); // SHT_NOBITS
    contains(&said, "section .data would not be in the flat file");
    let said = section(|header| header[16..24].fill(0)); // sh_addr
    contains(&said, "section .data overlaps the one before it");
    let said = section(|header| header[17] = 0xc0); // sh_addr, on page 12
    contains(&said, "past the maximum");
}

#[test]
fn relocations_are_refused() {
    let said = section(|header| header[4] = 4); // SHT_RELA
    contains(&said, "there is nobody to do what it asks for");
}

#[test]
fn another_kind_of_file_is_refused() {
    assert!(flatten(b"#!/bin/sh").unwrap_err()[0].contains("not a readable ELF file"));
    assert!(flatten(&fs::read("/proc/self/exe").unwrap()).is_err());
}
