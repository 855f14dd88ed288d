//! What the next kernel was entered with, from what the probe says of it.

use std::collections::BTreeMap;

use crate::places::CHUNK;
use crate::stage::{ROOT, RSI};

/// The registers that are not zero, the bits that matter, and their values.
const REGISTERS: [(&str, u64, u64); 13] = [
    ("rsi", !0, RSI),
    ("rsp", 0xf, 8),                   // as after a call
    ("rflags", 0x600, 0),              // interrupts are off, strings go upwards
    ("cr0", 0x8000_003f, 0x8000_0033), // PG NE ET MP PE
    ("cr3", !0, ROOT),
    ("cr4", !0, 0x20), // as Xen left it: PAE
    ("dr7", 0xff, 0),  // no breakpoint is armed
    ("cs", !0, 0x10),
    ("ds", !0, 0x18),
    ("es", !0, 0x18),
    ("fs", !0, 0x18),
    ("gs", !0, 0x18),
    ("ss", !0, 0x18),
];
/// Those that are.
const ZERO: [&str; 18] = [
    "rax",
    "rbx",
    "rcx",
    "rdx",
    "rdi",
    "rbp",
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
    "cr8",
    "ldtr",
    "gs_base",
    "idt_limit",
];
/// All else: flat segments, nowhere to return to, and the whole machine's memory.
const REST: [&str; 13] = [
    "entered",
    "descriptor cs 00af9b000000ffff",
    "descriptor ds 00cf93000000ffff",
    "descriptor es 00cf93000000ffff",
    "descriptor fs 00cf93000000ffff",
    "descriptor gs 00cf93000000ffff",
    "descriptor ss 00cf93000000ffff",
    "return address 0000000000000000",
    "map 0000000000000000 000000000009ffff 4K WB",
    "map 00000000000a0000 00000000000fffff 4K UC",
    "map 0000000000100000 00000000001fffff 4K WB",
    "map 0000000000200000 0000000003ffffff 2M WB",
    "end, 4 tables",
];

/// Checks that it is all that a next kernel may rely on.
pub fn check(serial: &str) {
    let lines = serial
        .lines()
        .filter_map(|line| line.strip_prefix("probe: "));
    let (registers, rest): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("register "));
    assert_eq!(rest, REST, "{serial}");
    let registers: BTreeMap<_, _> = registers
        .iter()
        .filter_map(|line| {
            let (name, value) = line.strip_prefix("register ")?.split_once(' ')?;
            Some((name, u64::from_str_radix(value, 16).ok()?))
        })
        .collect();
    let zero = ZERO.map(|name| (name, !0, 0));
    for (name, bits, value) in REGISTERS.into_iter().chain(zero) {
        assert_eq!(registers[name] & bits, value, "{name}: {serial}");
    }
    // The table is in the hand-over.
    assert!((CHUNK..CHUNK + 0x1_0000).contains(&registers["gdt_base"]));
}
