//! Fills page tables from runs.
//!
//! One pass over the leaves, from the lowest address up, descends and ascends through the levels.
//! A table is taken when the first leaf below it turns up, written in full, and only then linked
//! into its parent. The same few lines do it for every level; what differs, the type says.

use core::borrow::BorrowMut;
use core::iter::Zip;
use core::ops;
use core::slice::IterMut;

use super::count::table_count;
use super::error::BuildError;
use super::leaves::{leaf_runs, rest_of, LeafRun, LeafRuns, LeafSize};
use super::level::{Branch, Leaf, Level, Pd, Pdpt, Pml4, Pml5, Pt, TableAt};
use super::paging::{Levels, Paging};
use super::runs::Runs;
use super::table::{Table, Writer};
use crate::pure::addr::{Frame, Maddr, Mfn};
use crate::pure::range::Range;

/// Fills `tables` with a table of the shape `paging` that maps `runs` and nothing else, and
/// returns the frame of its root, for CR3.
///
/// As many tables are written as [`table_count`] says, from the first one on, every entry of
/// each, whatever they held before; the others are left alone. `frame_of` tells for a table, given
/// its index and where it is now, the machine frame that it *will* lie in when the processor walks
/// it. It is asked once for each table, in ascending order, the root first. Where the tables may lie
/// (never in a destination, for a crash image in the crash area) is for it to see to. `tables` is a
/// slice of tables where they follow one another, or of references to them where they do not.
///
/// # Errors
///
/// [`BuildError::BeyondLevels`] and [`BuildError::TooFewTables`] before anything is written;
/// [`BuildError::NoFrame`] if `frame_of` has none.
pub fn build<T, F>(
    runs: Runs<'_>,
    paging: Paging,
    tables: &mut [T],
    frame_of: F,
) -> Result<Mfn, BuildError>
where
    T: BorrowMut<Table>,
    F: FnMut(usize, &Table) -> Option<Mfn>,
{
    let need = table_count(runs, paging)?;
    let have = tables.len();
    if have < need {
        return Err(BuildError::TooFewTables { have, need });
    }
    let mut leaves = leaf_runs(runs, paging);
    let mut builder = Builder {
        next: leaves.next(),
        leaves,
        unused: (0..need).zip(tables),
        frame_of,
    };
    match paging.levels {
        Levels::Four => builder.table::<Pml4>(Maddr::ZERO).map(|root| root.mfn()),
        Levels::Five => builder.table::<Pml5>(Maddr::ZERO).map(|root| root.mfn()),
    }
}

/// Where the building stands.
struct Builder<'t, 'r, T, F> {
    /// The leaves that come next.
    next: Option<LeafRun>,
    /// Those after them.
    leaves: LeafRuns<'r>,
    /// The tables that are left, with their indices. (An `Enumerate` could overflow.)
    unused: Zip<ops::Range<usize>, IterMut<'t, T>>,
    frame_of: F,
}

/// A level that knows what becomes of leaves that it stands for.
trait Fill: Level + Sized {
    /// Writes at least one entry, for the first of `leaves`, and lets the builder go on behind
    /// what has been written. Nothing at or above `end` is this table's.
    fn fill<T, F>(
        builder: &mut Builder<'_, '_, T, F>,
        writer: &mut Writer<'_, Self>,
        leaves: LeafRun,
        end: Maddr,
    ) -> Result<(), BuildError>
    where
        T: BorrowMut<Table>,
        F: FnMut(usize, &Table) -> Option<Mfn>;
}

impl<T, F> Builder<'_, '_, T, F>
where
    T: BorrowMut<Table>,
    F: FnMut(usize, &Table) -> Option<Mfn>,
{
    /// Fills a table that stands for the memory from `base` up.
    fn table<L: Fill>(&mut self, base: Maddr) -> Result<TableAt<L>, BuildError> {
        let (index, table) = self
            .unused
            .next()
            .ok_or(BuildError::Inconsistent { at: base })?;
        let table = table.borrow_mut();
        let mfn = (self.frame_of)(index, table).ok_or(BuildError::NoFrame { table: index })?;
        let mut writer = table.write::<L>();
        let end = base.checked_add(L::TABLE_BYTES).unwrap_or(Maddr::END);
        while let Some(leaves) = self.next.filter(|next| next.range.start() < end) {
            let start = leaves.range.start();
            writer
                .skip_to(L::index(start))
                .ok_or(BuildError::Inconsistent { at: start })?;
            L::fill(self, &mut writer, leaves, end)?;
        }
        Ok(writer.finish(mfn))
    }

    /// Writes as many of `leaves` as lie below `end`. They have the size of this level's pages.
    fn leaves<L: Leaf>(
        &mut self,
        writer: &mut Writer<'_, L>,
        leaves: LeafRun,
        end: Maddr,
    ) -> Result<(), BuildError> {
        let start = leaves.range.start();
        let end = leaves.range.end().min(end);
        Range::new(start, end)
            .and_then(|here| usize::try_from(here.len_bytes() >> L::SHIFT).ok())
            .filter(|&nr| nr > 0)
            .and_then(|nr| writer.leaves(Frame::new(start)?, nr, leaves.attr))
            .ok_or(BuildError::Inconsistent { at: start })?;
        self.next = match rest_of(leaves.range, end) {
            Some(range) => Some(LeafRun { range, ..leaves }),
            None => self.leaves.next(),
        };
        Ok(())
    }

    /// Writes one entry, that leads on to a table with the first of `leaves` and all others that
    /// fall into it.
    fn branch<L: Branch>(
        &mut self,
        writer: &mut Writer<'_, L>,
        leaves: LeafRun,
    ) -> Result<(), BuildError>
    where
        L::Child: Fill,
    {
        let base = leaves.range.start().align_down(L::ENTRY_BYTES);
        let table = self.table::<L::Child>(base)?;
        writer
            .branch(table)
            .ok_or(BuildError::Inconsistent { at: base })
    }
}

/// Implements [`Fill`]: for a level that has no leaves, one that has only leaves, and one where
/// those of the size given are leaves.
macro_rules! fill {
    ($level:ty, branch) => {
        fill!($level, |builder, writer, leaves, _end| builder
            .branch(writer, leaves));
    };
    ($level:ty, leaf) => {
        fill!($level, |builder, writer, leaves, end| builder
            .leaves(writer, leaves, end));
    };
    ($level:ty, leaf if $size:pat) => {
        fill!($level, |builder, writer, leaves, end| match leaves.size {
            $size => builder.leaves(writer, leaves, end),
            _ => builder.branch(writer, leaves),
        });
    };
    ($level:ty, |$builder:ident, $writer:ident, $leaves:ident, $end:ident| $body:expr) => {
        impl Fill for $level {
            fn fill<T, F>(
                $builder: &mut Builder<'_, '_, T, F>,
                $writer: &mut Writer<'_, Self>,
                $leaves: LeafRun,
                $end: Maddr,
            ) -> Result<(), BuildError>
            where
                T: BorrowMut<Table>,
                F: FnMut(usize, &Table) -> Option<Mfn>,
            {
                $body
            }
        }
    };
}

fill!(Pml5, branch);
fill!(Pml4, branch);
fill!(Pdpt, leaf if LeafSize::Gib1);
fill!(Pd, leaf if LeafSize::Mib2);
fill!(Pt, leaf);
