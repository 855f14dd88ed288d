//! Everything that page tables map.

use crate::entry::{Entry, Page, Rights};
use crate::level::{Level, ENTRIES};
use crate::memory::{Memory, Phys};
use crate::translate::Root;

/// Whoever wants to know what a [`walk`] finds. All come in the order of their virtual addresses as
/// the tables have them: the lower half of the address space, then the upper one.
pub trait Visitor {
    fn page(&mut self, page: Page);
    /// An entry with bits that have to be zero, for the memory from `virt` up.
    fn malformed(&mut self, entry: u64, virt: u64);
    /// An entry for the memory from `virt` up leads to the table `at`, where the walk has been
    /// before. It does not go there again.
    fn again(&mut self, at: Phys, virt: u64);
}

/// The tables that a walk has come to.
#[derive(Debug)]
pub struct Tables<'a> {
    room: &'a mut [Phys],
    nr: usize,
}

impl<'a> Tables<'a> {
    /// None yet, and room for that many.
    pub fn new(room: &'a mut [Phys]) -> Self {
        Self { room, nr: 0 }
    }

    pub const fn nr(&self) -> usize {
        self.nr
    }

    /// Adds a table. False if it is there already.
    fn add(&mut self, at: Phys) -> Result<bool, TooManyTables> {
        // Some tens, so there is nothing to be gained by order.
        if self.room.iter().take(self.nr).any(|&known| known == at) {
            return Ok(false);
        }
        *self.room.get_mut(self.nr).ok_or(TooManyTables)? = at;
        self.nr = self.nr.saturating_add(1);
        Ok(true)
    }
}

/// There are more tables than there is room for: the walk was not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyTables;

/// Walks through the page tables below `root`. It goes to every table once, so it ends whatever is
/// in memory.
pub fn walk(
    root: Root,
    memory: &mut impl Memory,
    tables: &mut Tables<'_>,
    visitor: &mut impl Visitor,
) -> Result<(), TooManyTables> {
    tables.add(root.at)?;
    let mut walk = Walk {
        root,
        memory,
        tables,
        visitor,
    };
    walk.table(root.at, root.level, 0, Rights::ALL)
}

struct Walk<'a, 'room, M, V> {
    root: Root,
    memory: &'a mut M,
    tables: &'a mut Tables<'room>,
    visitor: &'a mut V,
}

impl<M: Memory, V: Visitor> Walk<'_, '_, M, V> {
    /// Goes through the table `table`, which stands for the memory from `base` up.
    fn table(
        &mut self,
        table: Phys,
        level: Level,
        base: u64,
        above: Rights,
    ) -> Result<(), TooManyTables> {
        for index in 0..ENTRIES {
            let word = self.memory.word(table.plus(index << 3));
            let virt = self
                .root
                .level
                .canonical(base | index.wrapping_mul(level.entry_bytes()));
            match (Entry::decode(word, level, virt, above), level.below()) {
                (Entry::Absent, _) => {}
                (Entry::Table(at, rights), Some(below)) => {
                    if self.tables.add(at)? {
                        self.table(at, below, virt, rights)?;
                    } else {
                        self.visitor.again(at, virt);
                    }
                }
                (Entry::Page(page), _) => self.visitor.page(page),
                (Entry::Malformed, _) | (Entry::Table(..), None) => {
                    self.visitor.malformed(word, virt);
                }
            }
        }
        Ok(())
    }
}
