//! The rules of the map (ARCHITECTURE.md, rules 1 to 7), as checks of what comes out for one input and one
//! shape of table.

use std::cell::RefCell;
use std::collections::BTreeSet;

use itertools::iproduct;
use rkexec::addr::Mfn;
use rkexec::identity::{
    build, leaf_runs, table_count, Attr, BuildError, Finished, LeafRun, Levels, Mark, Origin,
    Paging, Run, Runs, Sources, Table,
};
use rkexec::range::MaRange;

use super::model::{self, Input, Model, Stretch};
use super::walker::{Leaf, Walker};
use crate::common::{ma, mfn, range};

/// Every shape that there is.
pub const PAGINGS: [Paging; 4] = [
    paging(Levels::Four, true),
    paging(Levels::Four, false),
    paging(Levels::Five, true),
    paging(Levels::Five, false),
];

const fn paging(levels: Levels, gib_pages: bool) -> Paging {
    Paging { levels, gib_pages }
}

/// More tables than this are counted but not built.
const MOST_TABLES: usize = 300;

/// What the normaliser makes of the input, in memory that is never given back (it is a test).
pub fn runs(input: &Input) -> Runs<'static> {
    runs_in(input, Box::leak(Box::default()))
}

/// The same in memory of the caller's, for who checks millions of inputs (`fuzz/`).
fn runs_in<'a>(input: &Input, scratch: &'a mut Vec<Mark>) -> Runs<'a> {
    let nr = input.entries.len() + input.write_back.len() + input.uncached.len();
    scratch.resize(Sources::marks_needed(nr), Mark::default());
    let mut sources = Sources::new(scratch).expect("room for what is always there");
    for &entry in &input.entries {
        sources.add_entry(entry).expect("room for an entry");
    }
    for &(start, end) in &input.write_back {
        sources.add_write_back(range(start, end)).expect("room");
    }
    for &(start, end) in &input.uncached {
        sources.add_uncached(range(start, end)).expect("room");
    }
    sources.runs()
}

/// All that is said in the input.
pub fn said(input: &Input) -> impl Iterator<Item = (Origin, MaRange)> + '_ {
    let entries = input.entries.iter();
    let entries = entries.map(|entry| (Origin::Map(entry.kind()), entry.range()));
    let named = |origin| move |&(start, end): &(u64, u64)| (origin, range(start, end));
    entries
        .chain(input.write_back.iter().map(named(Origin::AskedFor)))
        .chain(input.uncached.iter().map(named(Origin::Device)))
}

fn stretch(run: Run) -> Stretch {
    (run.range.start().raw(), run.range.end().raw(), run.attr)
}

/// What comes out of the normaliser.
pub fn stretches(input: &Input) -> Vec<Stretch> {
    let mut scratch = Vec::new();
    runs_in(input, &mut scratch).iter().map(stretch).collect()
}

/// Checks everything for one input.
pub fn check(input: &Input) {
    check_avoiding(input, &[]);
}

/// Checks everything, with tables in frames outside `destinations`.
pub fn check_avoiding(input: &Input, destinations: &[(u64, u64)]) {
    check_shapes(input, destinations, &PAGINGS);
}

/// The same for these shapes alone.
pub fn check_shapes(input: &Input, destinations: &[(u64, u64)], pagings: &[Paging]) {
    let model = Model::new(input);
    let expected = model.expected();
    assert_eq!(stretches(input), expected, "the runs");
    for &paging in pagings {
        check_paging(input, &model, &expected, paging, destinations);
    }
}

fn check_paging(
    input: &Input,
    model: &Model,
    expected: &[Stretch],
    paging: Paging,
    destinations: &[(u64, u64)],
) {
    let mut scratch = Vec::new();
    let runs = runs_in(input, &mut scratch);
    let counted = table_count(runs, paging);
    if let Some(beyond) = model::beyond(expected, paging.levels) {
        let error = BuildError::BeyondLevels {
            range: range(beyond.0, beyond.1),
            limit: ma(1 << 47),
        };
        assert_eq!(counted, Err(error));
        let none: &mut [Table] = &mut [];
        let built = build(runs, paging, none, |_, _| panic!("nothing to build"));
        assert_eq!(built, Err(error));
        return;
    }
    let nr = counted.expect("a number of tables");
    let fewest = model::fewest_tables(expected, paging);
    assert_eq!(nr, fewest, "rule 3: {paging:?}");
    // Rule 5: the work grows with the number of ranges, no more than five pieces for each.
    assert!(leaf_runs(runs, paging).count() <= 5 * expected.len());
    if nr > MOST_TABLES {
        return;
    }

    let frames = frames_avoiding(destinations, nr);
    let dirty = dirty_table();
    let mut tables = vec![dirty.clone(); nr + 1];
    let asked = RefCell::new(Vec::new());
    let root = build(runs, paging, &mut tables, |table, _| {
        asked.borrow_mut().push(table);
        frames.get(table).copied()
    })
    .expect("tables");
    assert_eq!(tables[nr], dirty, "rule 7: only so many tables are touched");
    assert_eq!(asked.into_inner(), (0..nr).collect::<Vec<_>>(), "rule 5");

    let table_at = |mfn| Some(&tables[frames.iter().position(|it| *it == mfn)?]);
    let finished = Finished {
        root,
        paging,
        number: nr,
        alias: None,
        table_at,
    };
    assert_eq!(finished.certify(|| said(input)), Ok(()), "{paging:?}");

    let walker = walker(root, paging, frames.iter().copied(), &tables);
    let (leaves, visited) = walker.walk();
    rules_1_2_and_4(model, expected, &leaves, &walker);
    rule_3(expected, &leaves, paging);
    rule_7(&visited, &frames, destinations);
    leaf_runs_are_the_leaves(&leaves, leaf_runs(runs, paging));
}

/// ARCHITECTURE.md, rules 1, 2 and 4: all that shall be mapped is, at its own address and in its own way,
/// and nothing else.
fn rules_1_2_and_4(model: &Model, expected: &[Stretch], leaves: &[Leaf], walker: &Walker<'_>) {
    let mapped = leaves.iter().map(|leaf| {
        assert_eq!(leaf.virt, leaf.phys, "virtual = physical");
        (leaf.virt, leaf.virt + leaf.bytes, attr_of(leaf))
    });
    assert_eq!(model::merged(mapped), expected);
    // Once more byte by byte, where it matters, in the way of the processor.
    let reach = 1u64 << (12 + 9 * walker.levels - 1);
    let steps = [0, 1, 4095, 4096, 4097, 1 << 21, 1 << 30];
    let edges = model.edges().chain([0, 1 << 39, 1 << 47, 1 << 48]);
    let around = iproduct!(edges, steps)
        .flat_map(|(edge, by)| [edge.saturating_sub(by), edge.saturating_add(by)]);
    let places: BTreeSet<u64> = around.collect();
    for at in places.into_iter().filter(|&at| at < model::END) {
        let found = walker.translate(at);
        let how = (at < reach).then(|| model.how(at / 4096 * 4096)).flatten();
        assert_eq!(found.as_ref().map(attr_of), how, "at {at:#x}");
        assert!(found.is_none_or(|leaf| leaf.virt <= at && at - leaf.virt < leaf.bytes));
    }
}

fn attr_of(leaf: &Leaf) -> Attr {
    match leaf.uncached {
        true => Attr::Uncached,
        false => Attr::WriteBack,
    }
}

/// ARCHITECTURE.md, rule 3: every page is as large as can be. (That the tables are as few as can be has been seen before.)
fn rule_3(expected: &[Stretch], leaves: &[Leaf], paging: Paging) {
    let mut expected = expected.iter().copied().peekable();
    for leaf in leaves {
        while expected.peek().is_some_and(|s| s.1 <= leaf.virt) {
            expected.next();
        }
        let stretch = *expected.peek().expect("the stretch that it is in");
        let largest = model::largest_page(stretch, leaf.virt, paging);
        assert_eq!(leaf.bytes, largest, "at {:#x} in {paging:?}", leaf.virt);
        assert!(leaf.bytes == 4096 || leaf.virt >= 2 << 20, "fixed MTRRs");
        assert!(leaf.bytes < 1 << 30 || paging.gib_pages);
    }
}

/// ARCHITECTURE.md, rule 7: the tables lie where the caller said, all of them, and nowhere else.
fn rule_7(visited: &BTreeSet<u64>, frames: &[Mfn], destinations: &[(u64, u64)]) {
    let given: BTreeSet<u64> = frames.iter().map(|frame| frame.start().raw()).collect();
    assert_eq!(*visited, given);
    let mut pairs = iproduct!(visited, destinations);
    let hit = pairs.find(|(table, d)| d.0 < *table + 4096 && **table < d.1);
    assert_eq!(hit, None, "a table in a destination");
}

/// What is displayed is what is built, in as few lines as possible.
fn leaf_runs_are_the_leaves(leaves: &[Leaf], leaf_runs: impl Iterator<Item = LeafRun>) {
    let pieces = leaves.iter().map(|leaf| {
        let how = (leaf.bytes, attr_of(leaf));
        (leaf.virt, leaf.virt + leaf.bytes, how)
    });
    let shown = leaf_runs.map(|run| {
        let (start, end) = (run.range.start().raw(), run.range.end().raw());
        (start, end, (run.size.bytes(), run.attr))
    });
    assert_eq!(shown.collect::<Vec<_>>(), model::merged(pieces));
}

/// Frames for tables: scattered, in no order, and none in a destination.
fn frames_avoiding(destinations: &[(u64, u64)], nr: usize) -> Vec<Mfn> {
    let numbers = (1u64..).map(|n| n * 40_503 % 65_537 + 16);
    let free = numbers.filter(|number| {
        let (start, end) = (number * 4096, number * 4096 + 4096);
        destinations.iter().all(|d| d.1 <= start || end <= d.0)
    });
    free.map(mfn).take(nr).collect()
}

/// A table full of what must not be left over: present entries for everything.
pub fn dirty_table() -> Table {
    let input = Input {
        write_back: vec![(0, 2 << 20)],
        ..Input::default()
    };
    let mut scratch = Vec::new();
    let runs = runs_in(&input, &mut scratch);
    let mut tables = vec![Table::EMPTY; 4];
    build(runs, PAGINGS[0], &mut tables, chunk_at(0)).expect("four tables");
    tables.pop().expect("the last level")
}

/// Frames of one piece of memory, for tests that do not care.
pub fn chunk_at(first: u64) -> impl Fn(usize, &Table) -> Option<Mfn> {
    move |table, _| Mfn::from_number(first.checked_add(table as u64)?)
}

/// What a processor would find in tables that lie in these frames.
pub fn walker(
    root: Mfn,
    paging: Paging,
    frames: impl Iterator<Item = Mfn>,
    tables: &[Table],
) -> Walker<'_> {
    let addresses = frames.map(|frame| frame.start().raw());
    Walker {
        memory: addresses.zip(tables.iter().map(Table::entries)).collect(),
        cr3: root.start().raw(),
        levels: paging.levels.number() as u32,
    }
}
