//! The table pages by level, and how many entries of each are in use.
//!
//! Counts only. That the numbers are those of the tables that are built, a test sees to.

use std::ops;

use rkexec::addr::{Addr, Maddr, PAGE_SIZE};
use rkexec::identity::{LeafRun, Paging};
use rkexec::range::{MaRange, Range};

/// Entries in a table.
pub(super) const ENTRIES: u64 = 512;

/// The names of the levels, from the pages up (AMD's manual calls the fifth PML5).
const NAMES: [&str; 5] = ["PT", "PD", "PDPT", "PML4", "PML5"];

/// All tables of a level.
pub(super) struct Level {
    pub(super) name: &'static str,
    /// In the order of their addresses.
    pub(super) tables: Vec<Tables>,
}

impl Level {
    /// How many there are.
    pub(super) fn nr_tables(&self) -> u64 {
        self.tables
            .iter()
            .map(|tables| tables.numbers.end - tables.numbers.start)
            .sum()
    }
}

/// Neighbouring tables that are equally full: one, or several with every entry in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tables {
    /// Which: addresses divided by what a table of the level stands for.
    pub(super) numbers: ops::Range<u64>,
    /// How many entries of each are in use.
    pub(super) used: u64,
    /// What each stands for, in bytes.
    table_bytes: u64,
}

impl Tables {
    /// The memory that the tables stand for, mapped or not.
    pub(super) fn range(&self) -> MaRange {
        let address = |number: u64| {
            let raw = number.saturating_mul(self.table_bytes);
            Addr::new(raw).unwrap_or(Maddr::END)
        };
        let end = address(self.numbers.end);
        Range::new(address(self.numbers.start), end).unwrap_or(Range::empty_at(end))
    }

    /// Each on its own.
    pub(super) fn each(&self) -> impl Iterator<Item = Self> + '_ {
        self.numbers.clone().map(|number| Self {
            numbers: number..number + 1,
            ..self.clone()
        })
    }
}

/// The tables that hold these leaves, a level after the other, the root last.
pub(super) fn levels(leaf_runs: &[LeafRun], paging: Paging) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    let mut entry_bytes = PAGE_SIZE;
    for name in &NAMES[..paging.levels.number()] {
        let leaves = leaf_runs
            .iter()
            .filter(|run| run.size.bytes() == entry_bytes);
        let leaves = leaves
            .map(|run| run.range.start().raw() / entry_bytes..run.range.end().raw() / entry_bytes);
        let below = levels.last().into_iter().flat_map(|level| &level.tables);
        let mut entries: Vec<_> = leaves
            .chain(below.map(|tables| tables.numbers.clone()))
            .collect();
        entries.sort_unstable_by_key(|entries| entries.start);
        levels.push(Level {
            name,
            tables: holding(&entries, entry_bytes * ENTRIES),
        });
        entry_bytes *= ENTRIES;
    }
    levels
}

/// The tables that hold entries with these numbers, which ascend and do not overlap.
fn holding(entries: &[ops::Range<u64>], table_bytes: u64) -> Vec<Tables> {
    let mut tables: Vec<Tables> = Vec::new();
    for entries in entries {
        let mut rest = entries.clone();
        while !rest.is_empty() {
            let table = rest.start / ENTRIES;
            let whole = rest.end / ENTRIES;
            let starts_here = rest.start % ENTRIES == 0;
            let (numbers, end) = if starts_here && whole > table {
                (table..whole, whole * ENTRIES)
            } else {
                (table..table + 1, rest.end.min((table + 1) * ENTRIES))
            };
            let nr = numbers.end - numbers.start;
            let used = (end - rest.start) / nr;
            match tables.last_mut() {
                Some(last) if last.numbers.end > table => last.used += used,
                _ => tables.push(Tables {
                    numbers,
                    used,
                    table_bytes,
                }),
            }
            rest.start = end;
        }
    }
    tables
}
