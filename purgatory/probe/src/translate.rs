//! The way of one address through the page tables.

use crate::entry::{Entry, Rights};
use crate::level::Level;
use crate::memory::{Memory, Phys};

/// The page tables that were in use.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// The first table.
    pub at: Phys,
    /// Its level.
    pub level: Level,
}

impl Root {
    /// The one that these registers tell of.
    pub const fn new(cr3: u64, cr4: u64) -> Self {
        /// CR3 also has flags, or a process-context identifier, and on AMD reserved bits.
        const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
        Self {
            at: Phys(cr3 & ADDRESS),
            level: Level::root(cr4),
        }
    }

    /// Where the byte at `virt` is, if it is mapped.
    pub fn translate(self, memory: &mut impl Memory, virt: u64) -> Option<Phys> {
        if self.level.canonical(virt) != virt {
            return None;
        }
        let (mut table, mut level) = (self.at, self.level);
        loop {
            let word = memory.word(table.plus(level.index(virt).wrapping_mul(8)));
            match Entry::decode(word, level, virt, Rights::ALL) {
                Entry::Page(page) => {
                    return Some(page.phys.plus(virt & level.entry_bytes().wrapping_sub(1)));
                }
                Entry::Table(at, _) => {
                    table = at;
                    level = level.below()?;
                }
                Entry::Absent | Entry::Malformed => return None,
            }
        }
    }

    /// The eight bytes at `virt`, wherever they begin, if all are mapped.
    pub fn read(self, memory: &mut impl Memory, virt: u64) -> Option<u64> {
        let mut value = 0;
        for byte in (0..8).rev() {
            let Phys(at) = self.translate(memory, virt.wrapping_add(byte))?;
            let word = memory.word(Phys(at & !7));
            value = (value << 8) | ((word >> ((at & 7) << 3)) & 0xff);
        }
        Some(value)
    }
}
