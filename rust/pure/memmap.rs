//! The memory map as the firmware, Xen or the boot loader hands it over: an E820 table.
//!
//! A [`MapEntry`] is an allegation. Its numbers are kept as they came, and nothing about them is
//! promised: it may be empty, unaligned, overlap others, wrap around, or lie past the end of the
//! physical address space. [`MapEntry::range`] is the part of it that can exist. Which addresses
//! they are is promised: machine addresses, for this is the hardware's map and not a guest's.
//!
//! `identity.rs` turns a map into what a page table shall hold.

use core::fmt;

use super::addr::{Addr, Maddr};
use super::identity::Origin;
use super::range::{MaRange, Range};

/// What a stretch of the map is for (ACPI specification 6.5, table 15.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum E820Type {
    /// Memory that an operating system may use (type 1).
    Ram,
    /// Not to be touched (type 2).
    Reserved,
    /// ACPI tables: memory again once they have been read (type 3).
    Acpi,
    /// ACPI non-volatile storage: the firmware goes on using it (type 4).
    Nvs,
    /// Memory in which errors were found (type 5).
    Unusable,
    /// Persistent memory (type 7).
    Persistent,
    /// A type that this list does not have; whatever it is, it is not RAM.
    Other(u32),
}

impl E820Type {
    /// The kind that has this number in the map.
    pub const fn from_raw(raw: u32) -> Self {
        match raw {
            1 => Self::Ram,
            2 => Self::Reserved,
            3 => Self::Acpi,
            4 => Self::Nvs,
            5 => Self::Unusable,
            7 => Self::Persistent,
            other => Self::Other(other),
        }
    }

    /// The number that the kind has in the map.
    pub const fn raw(self) -> u32 {
        match self {
            Self::Ram => 1,
            Self::Reserved => 2,
            Self::Acpi => 3,
            Self::Nvs => 4,
            Self::Unusable => 5,
            Self::Persistent => 7,
            Self::Other(raw) => raw,
        }
    }
}

/// The words of the kernel's log.
impl fmt::Display for E820Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ram => f.write_str("usable"),
            Self::Reserved => f.write_str("reserved"),
            Self::Acpi => f.write_str("ACPI data"),
            Self::Nvs => f.write_str("ACPI NVS"),
            Self::Unusable => f.write_str("unusable"),
            Self::Persistent => f.write_str("persistent (type 7)"),
            Self::Other(raw) => write!(f, "type {raw}"),
        }
    }
}

/// One entry of a memory map, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapEntry {
    /// The first byte, a machine address.
    pub start: u64,
    /// How many bytes there are.
    pub len_bytes: u64,
    /// The type's number; [`MapEntry::kind`] reads it.
    pub kind_raw: u32,
}

impl MapEntry {
    /// What the entry is for.
    pub const fn kind(self) -> E820Type {
        E820Type::from_raw(self.kind_raw)
    }

    /// What it says for an identity map, and of which bytes.
    pub const fn said(&self) -> (Origin, MaRange) {
        (Origin::Map(self.kind()), self.range())
    }

    /// The bytes of the entry that lie in the physical address space: it ends there at the latest,
    /// also when its length wraps around.
    ///
    /// That is safe for both sorts of entry. Of RAM nothing is left out that could exist, and
    /// what is not RAM still keeps everything up to the end from being taken for it.
    pub const fn range(self) -> MaRange {
        let end = match Addr::new(self.start.saturating_add(self.len_bytes)) {
            Some(end) => end,
            None => Maddr::END,
        };
        match Addr::new(self.start) {
            // Never `None`: the end is not below the start.
            Some(start) => match Range::new(start, end) {
                Some(range) => range,
                None => Range::empty_at(start),
            },
            None => Range::empty_at(Maddr::END),
        }
    }
}
