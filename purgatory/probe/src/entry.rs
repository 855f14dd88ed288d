//! What an entry of a page table says (Intel SDM vol. 3, tables 5-14 to 5-20).

use crate::level::Level;
use crate::memory::Phys;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLE: u64 = 1 << 4;
/// In an entry of [`Level::Pt`], where all are pages, the bit that is elsewhere [`LARGE`].
const SMALL_PAT: u64 = 1 << 7;
const LARGE: u64 = 1 << 7;
const GLOBAL: u64 = 1 << 8;
/// In a large page.
const LARGE_PAT: u64 = 1 << 12;
const NO_EXECUTE: u64 = 1 << 63;
/// The physical address of a table or a small page.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What may be done. An access needs the permission of every entry on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Whether there may be written (without CR0.WP the kernel does not ask).
    pub write: bool,
    /// Whether code in ring 3 may do anything.
    pub user: bool,
    /// Whether code may be run.
    pub execute: bool,
}

impl Rights {
    /// All that there are.
    pub const ALL: Self = Self {
        write: true,
        user: true,
        execute: true,
    };

    const fn of(entry: u64) -> Self {
        Self {
            write: entry & WRITABLE != 0,
            user: entry & USER != 0,
            execute: entry & NO_EXECUTE == 0,
        }
    }

    /// Those that are left of these, `further` down.
    pub const fn and(self, further: Self) -> Self {
        Self {
            write: self.write && further.write,
            user: self.user && further.user,
            execute: self.execute && further.execute,
        }
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// There is nothing.
    Absent,
    /// There is a table of the level below.
    Table {
        /// Where.
        at: Phys,
        /// What is allowed below it.
        rights: Rights,
    },
    /// There is a page.
    Page {
        /// Where.
        at: Phys,
        /// What is allowed there.
        rights: Rights,
        /// Whether it stays in the TLB when CR3 is loaded (with CR4.PGE).
        global: bool,
        /// Which entry of the PAT tells the memory type: 0 to 7.
        pat: u8,
    },
    /// Bits are set that have to be zero: an access raises a page fault. Only those are looked at
    /// that are the same for all processors.
    Malformed,
}

impl Entry {
    /// Reads it as one of a table of this level.
    pub fn decode(entry: u64, level: Level) -> Self {
        if entry & PRESENT == 0 {
            return Self::Absent;
        }
        let rights = Rights::of(entry);
        let (pat, offset) = match level {
            Level::Pt => (SMALL_PAT, 0),
            _ if entry & LARGE == 0 => {
                let at = Phys(entry & ADDRESS);
                return Self::Table { at, rights };
            }
            // The lowest bit of the offset that is an address bit elsewhere is the PAT's.
            Level::Pd | Level::Pdpt => (
                LARGE_PAT,
                level.entry_bytes().wrapping_sub(1) & ADDRESS & !LARGE_PAT,
            ),
            Level::Pml4 | Level::Pml5 => return Self::Malformed,
        };
        if entry & offset != 0 {
            return Self::Malformed;
        }
        let bit = |bit, value| if entry & bit != 0 { value } else { 0 };
        Self::Page {
            at: Phys(entry & ADDRESS & !(level.entry_bytes().wrapping_sub(1))),
            rights,
            global: entry & GLOBAL != 0,
            pat: bit(WRITE_THROUGH, 1) | bit(CACHE_DISABLE, 2) | bit(pat, 4),
        }
    }
}
