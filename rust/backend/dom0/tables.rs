//! The page tables of the map of all memory, wherever they are to be.

use crate::backend::error::LoadError;
use crate::pure::addr::{Maddr, Mfn, PAGE_SIZE};
use crate::pure::identity::{self, Table};

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
