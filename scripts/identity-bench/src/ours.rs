//! rkexec's builder: sort the memory map, count the tables, fill them.

use anyhow::{Context, Result};
use rkexec::addr::{Mfn, PAGE_SIZE};
use rkexec::identity::{build, leaf_runs, table_count, LeafRun, Mark, Runs, Sources, Table};
use rkexec::memmap::MapEntry;

use crate::PAGING;

/// Memory to sort a map of so many entries in.
pub fn scratch(nr_entries: usize) -> Vec<Mark> {
    vec![Mark::default(); Sources::marks_needed(nr_entries)]
}

/// The memory map, sorted and merged: what shall be mapped.
pub fn runs<'a>(entries: &[MapEntry], scratch: &'a mut [Mark]) -> Result<Runs<'a>> {
    let mut sources = Sources::new(scratch)?;
    for &entry in entries {
        sources.add_entry(entry)?;
    }
    Ok(sources.runs())
}

/// How many tables the map takes, and its pages.
pub fn plan(entries: &[MapEntry]) -> Result<(usize, Vec<LeafRun>)> {
    let mut scratch = scratch(entries.len());
    let runs = runs(entries, &mut scratch)?;
    Ok((
        table_count(runs, PAGING)?,
        leaf_runs(runs, PAGING).collect(),
    ))
}

/// The tables for runs that are sorted: fills the first of `tables` and returns how many they are.
/// Their addresses are those of this process.
pub fn fill(runs: Runs<'_>, tables: &mut [Table]) -> Result<usize> {
    let nr = table_count(runs, PAGING)?;
    let first = tables.as_ptr().addr() as u64 / PAGE_SIZE;
    let tables = tables.get_mut(..nr).context("too few tables")?;
    build(runs, PAGING, tables, |index, _| {
        Mfn::from_number(first + index as u64)
    })?;
    Ok(nr)
}
