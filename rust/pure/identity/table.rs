//! A page table in memory, and the order in which it is written.

use core::marker::PhantomData;
use core::mem;

use super::level::{Attr, Branch, Entry, Leaf, Level, TableAt, ENTRIES};
use crate::pure::addr::{Frame, Machine, Mfn};

/// The memory of one table of any level.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C, align(4096))]
pub struct Table([u64; ENTRIES]);

const _: () = assert!(size_of::<Table>() == 4096);

impl Table {
    /// A table that maps nothing.
    pub const EMPTY: Self = Self([0; ENTRIES]);

    /// A table that somebody else has written, with these entries.
    pub const fn of(entries: [u64; ENTRIES]) -> Self {
        Self(entries)
    }

    /// The entries, as the processor reads them.
    pub const fn entries(&self) -> &[u64; ENTRIES] {
        &self.0
    }

    /// Links `table` into the entry number `index` of this table of level `L`, which maps nothing so
    /// far.
    pub(super) fn link<L: Branch>(&mut self, index: usize, table: TableAt<L::Child>) -> Option<()> {
        let entry = self.0.get_mut(index)?;
        if *entry != Entry::<L>::ABSENT.raw() {
            return None;
        }
        *entry = Entry::<L>::branch(table).raw();
        Some(())
    }

    /// Begins to write it as a table of level `L`.
    pub(super) fn write<L: Level>(&mut self) -> Writer<'_, L> {
        Writer {
            unwritten: &mut self.0,
            level: PhantomData,
        }
    }
}

/// Lets entries map nothing. Most do already, for pages as a rule come zeroed; so they are read and
/// not written, which is the cheaper where an emulator has to carry out each write of a long row.
fn leave_absent<L: Level>(entries: &mut [u64]) {
    let absent = Entry::<L>::ABSENT.raw();
    for entry in entries {
        if *entry != absent {
            *entry = absent;
        }
    }
}

/// Writes a table from the first entry to the last, each exactly once: whatever the memory held
/// before is gone when it is [finished](Writer::finish), and only then there is a [`TableAt`] to
/// link it by.
///
/// The methods return `None`, and write nothing, if the table has no room for what they are asked
/// to write.
pub(super) struct Writer<'a, L: Level> {
    unwritten: &'a mut [u64],
    level: PhantomData<L>,
}

impl<'a, L: Level> Writer<'a, L> {
    /// The next `nr` entries, which the caller has to write.
    fn take(&mut self, nr: usize) -> Option<&'a mut [u64]> {
        if nr > self.unwritten.len() {
            return None;
        }
        let (taken, rest) = mem::take(&mut self.unwritten).split_at_mut_checked(nr)?;
        self.unwritten = rest;
        Some(taken)
    }

    /// Goes on at entry number `index`; those before it map nothing.
    pub(super) fn skip_to(&mut self, index: usize) -> Option<()> {
        let written = ENTRIES.checked_sub(self.unwritten.len())?;
        let skipped = self.take(index.checked_sub(written)?)?;
        leave_absent::<L>(skipped);
        Some(())
    }

    /// Lets the remaining entries map nothing. The table lies in frame `mfn`.
    pub(super) fn finish(self, mfn: Mfn) -> TableAt<L> {
        leave_absent::<L>(self.unwritten);
        TableAt::finished(mfn)
    }
}

impl<L: Branch> Writer<'_, L> {
    /// Writes one entry that leads on to `table`.
    pub(super) fn branch(&mut self, table: TableAt<L::Child>) -> Option<()> {
        self.take(1)?.fill(Entry::<L>::branch(table).raw());
        Some(())
    }
}

impl<L: Leaf> Writer<'_, L> {
    /// Writes entries that map `nr` pages, from `first` up.
    pub(super) fn leaves(
        &mut self,
        first: Frame<Machine, L::Size>,
        nr: usize,
        attr: Attr,
    ) -> Option<()> {
        // Once for all: if the last page exists then so do those between.
        let bytes = L::ENTRY_BYTES.checked_mul(u64::try_from(nr).ok()?)?;
        first.start().checked_add(bytes)?;
        let mut raw = Entry::<L>::leaf(first, attr).raw();
        for entry in self.take(nr)? {
            *entry = raw;
            raw = raw.wrapping_add(L::ENTRY_BYTES);
        }
        Some(())
    }
}
