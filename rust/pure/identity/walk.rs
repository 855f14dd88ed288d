//! Reads page tables as the processor does, and tells what they map.
//!
//! This is how one can see what a loaded image will find: nothing of what the tables were built
//! from is looked at again, so it also reads tables that somebody else has built.

use super::leaves::{LeafRun, LeafSize};
use super::level::{bits, Attr, Level, Pd, Pdpt, Pml4, Pml5, Pt, ENTRIES};
use super::paging::Levels;
use super::table::Table;
use crate::pure::addr::{Addr, Mfn};
use crate::pure::range::Range;

/// What an entry says beside an address that leads on to a table, or maps a page: in its way that is not cached. Spelled
/// out once more, for it is what finished tables are compared with.
const BRANCH: u64 = bits::PRESENT | bits::WRITABLE | bits::ACCESSED;
const PAGE: u64 = BRANCH | bits::DIRTY;
const UNCACHED: u64 = bits::WRITE_THROUGH | bits::CACHE_DISABLE;

/// Memory that is mapped in one piece, with pages of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The virtual address of its first byte.
    pub virt: u64,
    /// The memory, the size of the pages, and how it is accessed.
    pub run: LeafRun,
}

impl Mapping {
    /// Whether it is mapped at its own address.
    pub const fn is_identity(&self) -> bool {
        self.virt == self.run.range.start().raw()
    }

    /// The mapping of both, if `next` goes on where this one ends.
    fn join(self, next: Self) -> Option<Self> {
        let (here, there) = (self.run, next.run);
        let follows = here.range.end() == there.range.start()
            && self.virt.checked_add(here.range.len_bytes()) == Some(next.virt);
        if !follows || (here.size, here.attr) != (there.size, there.attr) {
            return None;
        }
        let range = Range::new(here.range.start(), there.range.end())?;
        Some(Self {
            run: LeafRun { range, ..here },
            ..self
        })
    }
}

/// What a walk has come across beside mappings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Tables, the root among them.
    pub tables: usize,
    /// Entries that make no sense, or lead to a table that cannot be read.
    pub broken: usize,
    /// Entries that say more or less than ours do: others can be meant so.
    pub unusual: usize,
}

/// Walks the tables below `root` and has `visit` see all that they map, from the lowest virtual
/// address up. `table_at` gives the table in a frame, if there can be one.
pub fn walk<'t>(
    root: Mfn,
    levels: Levels,
    table_at: impl Fn(Mfn) -> Option<&'t Table>,
    visit: impl FnMut(Mapping),
) -> Walked {
    let (shift, root_bytes) = match levels {
        Levels::Four => (Pml4::SHIFT, Pml4::TABLE_BYTES),
        Levels::Five => (Pml5::SHIFT, Pml5::TABLE_BYTES),
    };
    let mut walker = Walker {
        table_at,
        visit,
        unused_bits: u64::BITS.saturating_sub(root_bytes.trailing_zeros()),
        pending: None,
        walked: Walked::default(),
    };
    walker.table(root, shift, 0);
    walker.flush();
    walker.walked
}

struct Walker<T, V> {
    table_at: T,
    visit: V,
    /// The bits of a virtual address above those that the processor looks at.
    unused_bits: u32,
    /// The latest mapping, which may go on.
    pending: Option<Mapping>,
    walked: Walked,
}

impl<'t, T, V> Walker<T, V>
where
    T: Fn(Mfn) -> Option<&'t Table>,
    V: FnMut(Mapping),
{
    /// Walks a table whose entries stand for `1 << shift` bytes each, from the address `base` up.
    fn table(&mut self, at: Mfn, shift: u32, base: u64) {
        let Some(table) = (self.table_at)(at) else {
            self.broken();
            return;
        };
        self.walked.tables = self.walked.tables.saturating_add(1);
        for (&entry, index) in table.entries().iter().zip(0u64..) {
            if entry & bits::PRESENT == 0 {
                self.expect(entry, 0);
                continue;
            }
            let virt = base | index.wrapping_shl(shift); // A level's: below 64.
            match (page_size(entry, shift), shift.checked_sub(Pt::SHIFT)) {
                (Some(size), _) => self.page(entry, size, virt),
                (None, Some(below @ 1..)) if entry & bits::LARGE == 0 => {
                    match Addr::new(entry & bits::FRAME).and_then(Mfn::new) {
                        Some(child) => {
                            self.expect(entry & !bits::FRAME, BRANCH);
                            let bits = ENTRIES.trailing_zeros();
                            let shift = Pt::SHIFT.saturating_add(below.saturating_sub(bits));
                            self.table(child, shift, virt);
                        }
                        None => self.broken(),
                    }
                }
                _ => self.broken(),
            }
        }
    }

    fn page(&mut self, entry: u64, size: LeafSize, virt: u64) {
        let start = entry & bits::FRAME & !size.bytes().wrapping_sub(1);
        let Some(range) = Addr::new(start).and_then(|at| Range::from_len(at, size.bytes())) else {
            return self.broken();
        };
        let (attr, type_bits) = match entry & bits::CACHE_DISABLE {
            0 => (Attr::WriteBack, 0),
            _ => (Attr::Uncached, UNCACHED),
        };
        let large = match size {
            LeafSize::Kib4 => 0,
            _ => bits::LARGE,
        };
        self.expect(entry ^ start, PAGE | large | type_bits);
        // The upper half of the address space is its negative one.
        let unused = self.unused_bits;
        let virt = (virt.wrapping_shl(unused) as i64).wrapping_shr(unused);
        let next = Mapping {
            virt: virt as u64,
            run: LeafRun { range, size, attr },
        };
        if let Some(joined) = self.pending.and_then(|pending| pending.join(next)) {
            self.pending = Some(joined);
        } else {
            self.flush();
            self.pending = Some(next);
        }
    }

    fn flush(&mut self) {
        if let Some(mapping) = self.pending.take() {
            (self.visit)(mapping);
        }
    }

    /// What an entry says beside an address, and what one of ours would say.
    fn expect(&mut self, said: u64, ours: u64) {
        if said != ours {
            self.walked.unusual = self.walked.unusual.saturating_add(1);
        }
    }

    fn broken(&mut self) {
        self.walked.broken = self.walked.broken.saturating_add(1);
    }
}

/// The size of the page that a present entry maps, or `None` if it leads on to a table.
fn page_size(entry: u64, shift: u32) -> Option<LeafSize> {
    match shift {
        Pt::SHIFT => Some(LeafSize::Kib4),
        Pd::SHIFT if entry & bits::LARGE != 0 => Some(LeafSize::Mib2),
        Pdpt::SHIFT if entry & bits::LARGE != 0 => Some(LeafSize::Gib1),
        _ => None,
    }
}
