//! The levels of a page table (Intel SDM vol. 3, 5.5; AMD64 APM vol. 2, 5.3).

/// Entries in a table of any level.
pub const ENTRIES: u64 = 512;

/// A level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Page table: an entry stands for 4 KiB.
    Pt,
    /// Page directory: 2 MiB.
    Pd,
    /// Page directory pointers: 1 GiB.
    Pdpt,
    /// The root of four levels: 512 GiB.
    Pml4,
    /// The root of five: 256 TiB.
    Pml5,
}

/// CR4: the processor walks five levels and not four.
pub const CR4_LA57: u64 = 1 << 12;

impl Level {
    /// The one of the table that CR3 points to.
    pub const fn root(cr4: u64) -> Self {
        if cr4 & CR4_LA57 != 0 {
            Self::Pml5
        } else {
            Self::Pml4
        }
    }

    /// The one below.
    pub const fn below(self) -> Option<Self> {
        match self {
            Self::Pt => None,
            Self::Pd => Some(Self::Pt),
            Self::Pdpt => Some(Self::Pd),
            Self::Pml4 => Some(Self::Pdpt),
            Self::Pml5 => Some(Self::Pml4),
        }
    }

    /// How many bits of an address lie below those that select an entry.
    pub const fn shift(self) -> u32 {
        match self {
            Self::Pt => 12,
            Self::Pd => 21,
            Self::Pdpt => 30,
            Self::Pml4 => 39,
            Self::Pml5 => 48,
        }
    }

    /// The bytes that one entry stands for.
    pub const fn entry_bytes(self) -> u64 {
        1 << self.shift()
    }

    /// Which entry stands for `virt`.
    pub const fn index(self, virt: u64) -> u64 {
        (virt >> self.shift()) % ENTRIES
    }

    /// The address that has the same bits as `virt` as far as a root of this level looks at them,
    /// and above them copies of the last one: the only form in which the processor takes it.
    pub const fn canonical(self, virt: u64) -> u64 {
        // Bits that it does not look at: all but those below an entry's, and nine for the entry.
        let unused = 55_u32.wrapping_sub(self.shift());
        // CAST: there and back, for a shift that copies the sign.
        (((virt << unused) as i64) >> unused) as u64
    }
}
