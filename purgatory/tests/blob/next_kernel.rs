//! What the next kernel was entered with, from what the probe says of it.

use rkexec_probe::heard::Heard;

use crate::places::CHUNK;
use crate::stage::{ROOT, RSI};

/// What it says but for the registers: flat segments, nowhere to return to, and the whole machine's
/// memory.
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
    let mut heard = Heard::default();
    let mut rest = Vec::new();
    for line in lines {
        heard.line(line).expect("a name and a value, once");
        if !line.starts_with("register ") {
            rest.push(line);
        }
    }
    assert_eq!(rest, REST, "{serial}");
    if let Err(why) = heard.check(false, RSI, false) {
        panic!("{why}: {serial}");
    }
    let register = |name| heard.register(name).expect("a number");
    assert_eq!(register("cr3"), ROOT, "{serial}");
    // The table is in the hand-over.
    assert!((CHUNK..CHUNK + 0x1_0000).contains(&register("gdt_base")));
}
