//! The page tables of the map of all memory, wherever they are to be.

use core::fmt;

use crate::backend::error::LoadError;
use crate::backend::inspect::Tables;
use crate::pure::addr::{Maddr, Mfn, PAGE_SIZE};
use crate::pure::identity::{self, Levels, Table};

use super::memory::Machine;

/// How many tables the map of this machine takes.
pub(super) fn count(machine: &Machine) -> Result<usize, LoadError> {
    let mut scratch = machine.scratch()?;
    let runs = machine.runs(&mut scratch)?;
    Ok(identity::table_count(runs, machine.paging())?)
}

/// Builds the map in `tables`, which will follow one another from `first` on. Returns the root.
pub(super) fn build(
    machine: &Machine,
    tables: &mut [Table],
    first: Maddr,
) -> Result<Mfn, LoadError> {
    let mut scratch = machine.scratch()?;
    let runs = machine.runs(&mut scratch)?;
    let frame = |index: usize, _: &Table| {
        let offset = (index as u64).checked_mul(PAGE_SIZE)?;
        Mfn::new(first.checked_add(offset)?)
    };
    Ok(identity::build(runs, machine.paging(), tables, frame)?)
}

/// Shows the tables that [`build`] has built.
pub(super) fn show(
    root: Mfn,
    tables: &[Table],
    first: Maddr,
    show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
) -> fmt::Result {
    show(&Tables {
        root,
        levels: Levels::Four,
        at: &|frame| {
            let offset = frame.start().checked_offset_from(first)?;
            tables.get(usize::try_from(offset / PAGE_SIZE).ok()?)
        },
    })
}
