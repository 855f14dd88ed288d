//! Tables that nobody should have made: the walk ends, and says what it has seen.

use rkexec_probe::walk::TooManyTables;

use crate::model::{find, lines, state, Words, LARGE, LEAF, TABLE};

#[test]
fn a_table_that_leads_to_itself_is_entered_once() {
    let mut words = Words::default();
    for index in 0..512 {
        words.entry(0x1000, index, 0x1000 + TABLE);
    }
    let (found, tables) = find(&mut words, 0, 64);
    assert_eq!(tables, Ok(1));
    assert_eq!(found.pages, []);
    assert_eq!(found.again.len(), 512);
    assert_eq!(found.again[511], (0x1000, 0xffff_ff80_0000_0000));
}

#[test]
fn a_cycle_through_all_levels_ends_in_a_page() {
    let mut words = Words::small(&[(0, 0x1000 + LEAF), (1, 0x2000 + LEAF)]);
    // From the last table but one back to the root.
    words.entry(0x3000, 1, 0x1000 + TABLE);
    let (found, tables) = find(&mut words, 0, 64);
    assert_eq!(tables, Ok(4));
    assert_eq!(found.pages.len(), 2);
    assert_eq!(found.again, [(0x1000, 0x20_0000)]);
    let said = lines(&state(4), &mut words, "the table ");
    assert_eq!(said, ["0000000000001000 once more for 0000000000200000"]);
}

#[test]
fn more_tables_than_there_is_room_for_end_the_walk_without_the_last_line() {
    let mut words = Words::default();
    for index in 0..512 {
        words.entry(0x1000, index, ((index + 2) << 12) + TABLE);
    }
    let (_, tables) = find(&mut words, 0, 64);
    assert_eq!(tables, Err(TooManyTables));
    assert_eq!(lines(&state(4), &mut words, "end"), [""; 0]);
    let said = lines(&state(4), &mut words, "there are more tables");
    assert_eq!(said.len(), 1);
    assert_eq!(find(&mut words, 0, 513).1, Ok(513));
    assert_eq!(find(&mut words, 0, 0).1, Err(TooManyTables));
}

#[test]
fn bits_that_have_to_be_zero_are_told() {
    for (table, entry) in [
        // No page is that large.
        (0x1000, LEAF | LARGE),
        // Not aligned to its size.
        (0x2000, (0x2000 + LEAF) | LARGE),
        (0x3000, (0x10_0000 + LEAF) | LARGE),
    ] {
        let mut words = Words::small(&[]);
        words.entry(table, 0, entry);
        let (found, _) = find(&mut words, 0, 64);
        assert_eq!(found.malformed, [(entry, 0)]);
        assert_eq!(found.pages, []);
    }
}

#[test]
fn tables_where_there_is_nothing_are_empty() {
    let mut words = Words::default();
    words.entry(0x1000, 0, 0x000f_ffff_ffff_f000 + TABLE);
    let (found, tables) = find(&mut words, 0, 64);
    assert_eq!((found.pages.len(), tables), (0, Ok(2)));
}
