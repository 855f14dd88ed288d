//! What an entry of a page table says (Intel SDM vol. 3, tables 5-14 to 5-20).

use crate::level::Level;
use crate::memory::Phys;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLE: u64 = 1 << 4;
/// In an entry of [`Level::PT`], where all are pages, the bit that is elsewhere [`LARGE`].
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
    /// Without CR0.WP the kernel does not ask.
    pub write: bool,
    /// Whether code in ring 3 may do anything.
    pub user: bool,
    pub execute: bool,
}

impl Rights {
    pub const ALL: Self = Self {
        write: true,
        user: true,
        execute: true,
    };

    /// Those that `entry` leaves of these.
    const fn below(self, entry: u64) -> Self {
        Self {
            write: self.write && entry & WRITABLE != 0,
            user: self.user && entry & USER != 0,
            execute: self.execute && entry & NO_EXECUTE == 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub virt: u64,
    pub phys: Phys,
    /// The level whose entry maps it, and by that its size.
    pub level: Level,
    /// What is allowed there, all levels considered.
    pub rights: Rights,
    /// Whether it stays in the TLB when CR3 is loaded (with CR4.PGE).
    pub global: bool,
    /// Which entry of the PAT tells the memory type: 0 to 7.
    pub pat: u8,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Absent,
    /// There is a table of the level below, and so much is allowed below it.
    Table(Phys, Rights),
    Page(Page),
    /// Bits are set that have to be zero: an access raises a page fault. Only those are looked at
    /// that are the same for all processors.
    Malformed,
}

impl Entry {
    /// Reads it as one of a table of this level, for the memory from `virt` up, below entries that
    /// leave these rights.
    pub fn decode(entry: u64, level: Level, virt: u64, above: Rights) -> Self {
        let rights = above.below(entry);
        let offset = level.entry_bytes().wrapping_sub(1);
        let (pat, must_be_zero) = match level {
            _ if entry & PRESENT == 0 => return Self::Absent,
            Level::PT => (SMALL_PAT, 0),
            _ if entry & LARGE == 0 => return Self::Table(Phys(entry & ADDRESS), rights),
            // The lowest bit of the offset that is an address bit elsewhere is the PAT's.
            Level::PD | Level::PDPT => (LARGE_PAT, offset & ADDRESS & !LARGE_PAT),
            _ => return Self::Malformed,
        };
        if entry & must_be_zero != 0 {
            return Self::Malformed;
        }
        let bit = |bit, value| if entry & bit != 0 { value } else { 0 };
        Self::Page(Page {
            virt,
            phys: Phys(entry & ADDRESS & !offset),
            level,
            rights,
            global: entry & GLOBAL != 0,
            pat: bit(WRITE_THROUGH, 1) | bit(CACHE_DISABLE, 2) | bit(pat, 4),
        })
    }
}
