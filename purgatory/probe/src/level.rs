//! The levels of a page table (Intel SDM vol. 3, 5.5; AMD64 APM vol. 2, 5.3).

/// Entries in a table of any level.
pub const ENTRIES: u64 = 512;

/// CR4: the processor walks five levels and not four.
pub const CR4_LA57: u64 = 1 << 12;

/// A level, counted from the last one up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u32);

impl Level {
    /// The page table, whose entries stand for 4 KiB.
    pub const PT: Self = Self(0);
    /// 2 MiB.
    pub const PD: Self = Self(1);
    /// 1 GiB.
    pub const PDPT: Self = Self(2);
    /// The root of four levels: 512 GiB.
    pub const PML4: Self = Self(3);
    /// The root of five: 256 TiB.
    pub const PML5: Self = Self(4);

    /// The one of the table that CR3 points to.
    pub const fn root(cr4: u64) -> Self {
        if cr4 & CR4_LA57 != 0 {
            Self::PML5
        } else {
            Self::PML4
        }
    }

    pub fn below(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }

    /// How many bits of an address lie below those that select an entry.
    const fn shift(self) -> u32 {
        self.0.wrapping_mul(9).wrapping_add(12)
    }

    /// The bytes that one entry stands for.
    pub const fn entry_bytes(self) -> u64 {
        1_u64.wrapping_shl(self.shift())
    }

    /// Which entry stands for `virt`.
    pub const fn index(self, virt: u64) -> u64 {
        virt.wrapping_shr(self.shift()) % ENTRIES
    }

    /// The address that has the same bits as `virt` as far as a root of this level looks at them,
    /// and above them copies of the last one: the only form in which the processor takes it.
    pub const fn canonical(self, virt: u64) -> u64 {
        // Bits that it does not look at: all but those below an entry's, and nine for the entry.
        let unused = 55_u32.wrapping_sub(self.shift());
        // CAST: there and back, for a shift that copies the sign.
        (virt.wrapping_shl(unused) as i64).wrapping_shr(unused) as u64
    }
}
