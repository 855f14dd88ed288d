//! The tables that the module builds, seen by the probe: exactly the pages that it planned.

use std::fmt::Write as _;

use rkexec::addr::{Addr, Frame};
use rkexec::identity::{build, leaf_runs, table_count, Levels, Mark, Paging, Sources, Table};
use rkexec::range::Range;

use crate::model::{lines, state, Words};

/// RAM of a machine with everything: odd edges, a hole, much memory.
const RAM: [(u64, u64); 4] = [
    (0, 0x9_fc00),
    (0x10_0000, 0x7ffd_f123),
    (0x1_0000_0000, 0x13_4020_1000),
    (0x100_0000_0000, 0x180_0000_0000),
];

#[test]
fn the_probe_finds_the_map_that_was_built() {
    for (levels, number) in [(Levels::Four, 4), (Levels::Five, 5)] {
        for gib_pages in [true, false] {
            let paging = Paging { levels, gib_pages };
            let ram = if gib_pages { &RAM[..] } else { &RAM[..2] };
            check(paging, number, ram);
        }
    }
}

fn check(paging: Paging, levels: u32, ram: &[(u64, u64)]) {
    let mut scratch = vec![Mark::default(); Sources::marks_needed(ram.len())];
    let mut sources = Sources::new(&mut scratch).unwrap();
    for &(start, end) in ram {
        let range = Range::new(Addr::new(start).unwrap(), Addr::new(end).unwrap());
        sources.add_write_back(range.unwrap()).unwrap();
    }
    let runs = sources.runs();
    let nr = table_count(runs, paging).unwrap();
    let mut tables = vec![Table::EMPTY; nr];
    let frame = |index| Frame::from_number(index as u64 + 1);
    let root = build(runs, paging, &mut tables, |index, _| frame(index)).unwrap();
    assert_eq!(root.start().raw(), 0x1000);

    let mut words = Words::default();
    for (table, at) in tables.iter().zip((0x1000..).step_by(4096)) {
        for (index, &entry) in (0..).zip(table.entries()) {
            words.entry(at, index, entry);
        }
    }
    let expected = leaf_runs(runs, paging).map(|run| {
        let (start, last) = (run.range.start().raw(), run.range.end().raw() - 1);
        let mut line = String::new();
        write!(line, "{start:016x} {last:016x} {} {}", run.size, run.attr).unwrap();
        line
    });
    let expected: Vec<_> = expected.collect();
    assert!(expected.len() > 4);
    assert_eq!(lines(&state(levels), &mut words, "map "), expected);
    let end = format!(", {nr} tables");
    assert_eq!(lines(&state(levels), &mut words, "end"), [end]);
}
