//! What is said, word for word.

use rkexec_probe::state::State;

use crate::model::{lines, state, Words, LARGE, LEAF};

#[test]
fn neighbours_that_are_alike_are_one_line() {
    let mut words = Words::small(&[
        (1, 0x1000 + LEAF),
        (2, 0x2000 + LEAF),
        // Another memory type.
        (3, 0x3000 + LEAF + 0x18),
        (4, 0x4000 + LEAF),
        // A hole, and then the same again.
        (6, 0x6000 + LEAF),
        // Neighbours, but not in physical memory.
        (7, 0x9000 + LEAF),
        (8, 0xa000 + LEAF),
        // Beside another size.
        (511, 0x1f_f000 + LEAF),
    ]);
    words.entry(0x3000, 1, (0x20_0000 + LEAF) | LARGE);
    words.entry(0x3000, 2, (0x40_0000 + LEAF) | LARGE);
    let expected = [
        "0000000000001000 0000000000002fff 4K WB",
        "0000000000003000 0000000000003fff 4K UC",
        "0000000000004000 0000000000004fff 4K WB",
        "0000000000006000 0000000000006fff 4K WB",
        "0000000000007000 0000000000008fff 4K WB -> 0000000000009000",
        "00000000001ff000 00000000001fffff 4K WB",
        "0000000000200000 00000000005fffff 2M WB",
    ];
    assert_eq!(lines(&state(4), &mut words, "map "), expected);
    assert_eq!(lines(&state(4), &mut words, "end"), [", 4 tables"]);
}

#[test]
fn the_last_page_of_all_ends_at_the_last_byte() {
    let mut words = Words::default();
    for (table, next) in [(0x1000, 0x2000), (0x2000, 0x3000), (0x3000, 0x4000)] {
        words.entry(table, 511, next + LEAF);
    }
    words.entry(0x4000, 511, LEAF);
    let expected = ["fffffffffffff000 ffffffffffffffff 4K WB -> 0000000000000000"];
    assert_eq!(lines(&state(4), &mut words, "map "), expected);
}

#[test]
fn what_is_unusual_has_a_word() {
    let mut words = Words::small(&[(0, (1 << 63) | 0x105), (1, 0x1000 + LEAF + 0x10)]);
    for table in [0x1000, 0x2000, 0x3000] {
        words.entry(table, 0, table + 0x1000 + 0x27);
    }
    let expected = [
        "0000000000000000 0000000000000fff 4K WB,ro,nx,user,global",
        "0000000000001000 0000000000001fff 4K UC-",
    ];
    assert_eq!(lines(&state(4), &mut words, "map "), expected);
}

#[test]
fn registers_and_what_they_lead_to() {
    let mut words = Words::small(&[(5, 0x5000 + LEAF)]);
    // A table of two descriptors, and a word on the stack.
    words.0.insert(0x5008, 0x00af_9b00_0000_ffff);
    words.0.insert(0x5ff0, 0x1234);
    let state = State {
        rsp: 0x5ff0,
        cs: 0x08,
        ds: 0x10,
        es: 0x0c,
        gdt_base: 0x5000,
        gdt_limit: 0x0f,
        idt_limit: 0xffff,
        ..state(4)
    };
    for line in [
        "rsp 0000000000005ff0",
        "gdt_limit 000000000000000f",
        "cr3 0000000000001000",
    ] {
        let said = lines(&state, &mut words, "register ");
        assert!(said.iter().any(|it| it == line), "{line}: {said:?}");
    }
    let said = lines(&state, &mut words, "descriptor ");
    // Behind the end of the table, and in the other table.
    let expected = ["cs 00af9b000000ffff", "ds none", "es none"];
    assert_eq!(said[..3], expected);
    assert_eq!(
        lines(&state, &mut words, "return address "),
        ["0000000000001234"]
    );
    let nowhere = State {
        rsp: 0x7000,
        ..state
    };
    assert_eq!(lines(&nowhere, &mut words, "return address "), ["unmapped"]);
}
