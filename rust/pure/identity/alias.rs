//! One page at a virtual address that is not its own.
//!
//! Linux leaves its own page tables in a page, the *control page*, that is still running where the
//! kernel had it: in the kernel's half of the address space. So the tables that it goes over to map
//! that page there as well (`relocate_kernel_64.S`). The identity map lies in the other half, and
//! the two share nothing but the root.

use core::borrow::BorrowMut;

use super::error::BuildError;
use super::level::{Attr, Branch, Level, Pdpt, Pml4, Pml5, Pt, TableAt, ENTRIES};
use super::paging::Levels;
use super::table::{Table, Writer};
use crate::pure::addr::{Maddr, Mfn};

/// A virtual address in the running kernel's half, which in a root table is the upper one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vaddr(u64);

/// The bits that are set in an address of the upper half, whatever the number of levels.
const UPPER_HALF: u64 = 0xff << 56;

impl Vaddr {
    /// The address with this number, or `None` if it is not one of the kernel's half.
    pub const fn new(raw: u64) -> Option<Self> {
        if raw & UPPER_HALF != UPPER_HALF {
            return None;
        }
        Some(Self(raw))
    }

    /// The number.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Which entry of its table of level `L` stands for it: below [`ENTRIES`].
    const fn index<L: Level>(self) -> usize {
        // CAST: below 512.
        (self.0 >> L::SHIFT) as usize % ENTRIES
    }
}

/// A page of 4 KiB and another address for it.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// Where it is to be seen.
    pub at: Vaddr,
    /// The page.
    pub page: Mfn,
}

/// How many tables [`link_alias`] takes: all of a path but the root.
pub const fn alias_table_count(levels: Levels) -> usize {
    levels.number().saturating_sub(1)
}

/// Maps `alias` write-back in the tables below `root`, which [`build`](super::build()) has made.
/// The first [`alias_table_count`] of `tables` are written; `frame_of` tells for each, given
/// its index and where it is now, the machine frame that it will lie in.
///
/// # Errors
///
/// [`BuildError::TooFewTables`], [`BuildError::NoFrame`]; [`BuildError::AliasTaken`] if there is
/// something already where the alias belongs.
pub fn link_alias<T, F>(
    root: &mut Table,
    levels: Levels,
    alias: Alias,
    tables: &mut [T],
    frame_of: F,
) -> Result<(), BuildError>
where
    T: BorrowMut<Table>,
    F: FnMut(usize, &Table) -> Option<Mfn>,
{
    let (have, need) = (tables.len(), alias_table_count(levels));
    if have < need {
        return Err(BuildError::TooFewTables { have, need });
    }
    let mut path = Path {
        alias,
        unused: (0..need).zip(tables),
        frame_of,
    };
    let linked = match levels {
        Levels::Four => root.link::<Pml4>(alias.at.index::<Pml4>(), Pdpt::below(&mut path)?),
        Levels::Five => root.link::<Pml5>(alias.at.index::<Pml5>(), Pml4::below(&mut path)?),
    };
    linked.ok_or(BuildError::AliasTaken { at: alias.at.raw() })
}

/// The tables between the root and the page, as far as they are unused.
struct Path<I, F> {
    alias: Alias,
    unused: I,
    frame_of: F,
}

impl<'t, T, I, F> Path<I, F>
where
    T: BorrowMut<Table> + 't,
    I: Iterator<Item = (usize, &'t mut T)>,
    F: FnMut(usize, &Table) -> Option<Mfn>,
{
    /// The next table as one of level `L`, its one entry written by `write`.
    fn table<L: Level>(
        &mut self,
        write: impl FnOnce(&mut Writer<'_, L>, Alias) -> Option<()>,
    ) -> Result<TableAt<L>, BuildError> {
        // Never: as many were counted as there are levels.
        let inconsistent = BuildError::Inconsistent { at: Maddr::ZERO };
        let (index, table) = self.unused.next().ok_or(inconsistent)?;
        let table = table.borrow_mut();
        let mfn = (self.frame_of)(index, table).ok_or(BuildError::NoFrame { table: index })?;
        let mut writer = table.write::<L>();
        writer
            .skip_to(self.alias.at.index::<L>())
            .and_then(|()| write(&mut writer, self.alias))
            .ok_or(inconsistent)?;
        Ok(writer.finish(mfn))
    }
}

/// A level that a path goes through.
trait Step: Level + Sized {
    /// The part of the path from this level down.
    fn below<'t, T, I, F>(path: &mut Path<I, F>) -> Result<TableAt<Self>, BuildError>
    where
        T: BorrowMut<Table> + 't,
        I: Iterator<Item = (usize, &'t mut T)>,
        F: FnMut(usize, &Table) -> Option<Mfn>;
}

/// Every level but the last leads on to the next.
impl<L: Branch> Step for L
where
    L::Child: Step,
{
    fn below<'t, T, I, F>(path: &mut Path<I, F>) -> Result<TableAt<Self>, BuildError>
    where
        T: BorrowMut<Table> + 't,
        I: Iterator<Item = (usize, &'t mut T)>,
        F: FnMut(usize, &Table) -> Option<Mfn>,
    {
        let child = L::Child::below(path)?;
        path.table(|writer, _| writer.branch(child))
    }
}

impl Step for Pt {
    fn below<'t, T, I, F>(path: &mut Path<I, F>) -> Result<TableAt<Self>, BuildError>
    where
        T: BorrowMut<Table> + 't,
        I: Iterator<Item = (usize, &'t mut T)>,
        F: FnMut(usize, &Table) -> Option<Mfn>,
    {
        path.table(|writer, alias| writer.leaves(alias.page, 1, Attr::WriteBack))
    }
}
