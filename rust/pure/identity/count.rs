//! How many tables a map takes, without building it.

use super::error::BuildError;
use super::leaves::leaf_runs;
use super::level::{Level, Pd, Pdpt, Pml4, Pt};
use super::paging::{Levels, Paging};
use super::runs::Runs;

use crate::pure::range::MaRange;

/// The tables of level `L` that stand for some byte of what has been seen, each counted once.
struct Tables<L: Level> {
    nr: u64,
    /// The number of the first table that has not been looked at.
    next: u64,
    level: core::marker::PhantomData<L>,
}

impl<L: Level> Tables<L> {
    const NONE: Self = Self {
        nr: 0,
        next: 0,
        level: core::marker::PhantomData,
    };

    /// Counts the tables that `range` needs. Ranges come in ascending order and are not empty.
    fn add(&mut self, range: MaRange) {
        // `>>` by the constant shift of a level. Nothing can overflow: an address divided by the
        // size of a page is a small number.
        let number = |raw: u64| raw >> L::TABLE_BYTES.trailing_zeros();
        let first = number(range.start().raw()).max(self.next);
        let end = number(range.end().raw().saturating_sub(1)).saturating_add(1);
        self.nr = self.nr.saturating_add(end.saturating_sub(first));
        self.next = self.next.max(end);
    }
}

/// The number of tables that [`build`](super::build()) fills for `runs`, the root included: the
/// fewest that can map these bytes and no others with the largest pages there are.
///
/// A table is needed exactly where a leaf is that is not larger than one entry of it. The cost
/// grows with the number of runs, not with their size.
///
/// # Errors
///
/// [`BuildError::BeyondLevels`] if `paging` has not enough levels.
pub fn table_count(runs: Runs<'_>, paging: Paging) -> Result<usize, BuildError> {
    paging.check(runs)?;
    let mut pt = Tables::<Pt>::NONE;
    let mut pd = Tables::<Pd>::NONE;
    let mut pdpt = Tables::<Pdpt>::NONE;
    let mut pml4 = Tables::<Pml4>::NONE;
    for leaves in leaf_runs(runs, paging) {
        if leaves.size.bytes() <= Pt::ENTRY_BYTES {
            pt.add(leaves.range);
        }
        if leaves.size.bytes() <= Pd::ENTRY_BYTES {
            pd.add(leaves.range);
        }
        pdpt.add(leaves.range);
        pml4.add(leaves.range);
    }
    let below_root = match paging.levels {
        Levels::Four => 0,
        Levels::Five => pml4.nr,
    };
    let nr = [1, below_root, pdpt.nr, pd.nr, pt.nr]
        .into_iter()
        .fold(0, u64::saturating_add);
    // Saturates nowhere: fewer tables than 4 KiB pages of memory.
    Ok(usize::try_from(nr).unwrap_or(usize::MAX))
}
