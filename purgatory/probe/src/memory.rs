//! Physical memory, whatever is mapped of it.

/// Bytes in a page, and in a page table.
pub const PAGE: u64 = 4096;

/// The physical address of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phys(pub u64);

impl Phys {
    /// The address `bytes` further on.
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

/// Something that can read it.
pub trait Memory {
    /// The word at `at`, a multiple of 8.
    fn word(&mut self, at: Phys) -> u64;
}
