//! The rule of the map, as a table: what decides of a byte, and how it is mapped then.
//!
//! These are two things. Where several origins say something about a byte, the one of the highest
//! [`Rank`] decides, whatever it says. What it says is the attribute: how the byte is mapped, if it is.
//!
//! The map is built by this table, the benchmark measures by it, and the picture draws by it. The
//! model of the tests (`rust/tests/identity/model.rs`) and the judge of the machines' probe do not
//! know it, for they are there to find it wrong.

use super::level::Attr;
use crate::pure::memmap::E820Type;

/// Where a statement about memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An entry of the memory map.
    Map(E820Type),
    /// The caller, who wants it mapped as memory: image segments, EFI's tables, low memory.
    AskedFor,
    /// The caller, who knows that a device is there.
    Device,
}

const NOT_MAPPED: Option<Attr> = None;
const WRITE_BACK: Option<Attr> = Some(Attr::WriteBack);
const UNCACHED: Option<Attr> = Some(Attr::Uncached);

/// The table.
const fn table(origin: Origin) -> (Rank, Option<Attr>) {
    match origin {
        Origin::Map(E820Type::Ram) => (Rank::Ram, WRITE_BACK),
        Origin::Map(E820Type::Reserved) => (Rank::Hole, NOT_MAPPED),
        // The next kernel reads them before it can handle a page fault.
        Origin::Map(E820Type::Acpi) => (Rank::Named, WRITE_BACK),
        Origin::Map(E820Type::Nvs) => (Rank::Named, WRITE_BACK),
        Origin::Map(E820Type::Unusable) => (Rank::Hole, NOT_MAPPED),
        Origin::Map(E820Type::Persistent) => (Rank::Hole, NOT_MAPPED),
        Origin::Map(E820Type::Other(_)) => (Rank::Hole, NOT_MAPPED),
        Origin::AskedFor => (Rank::Named, WRITE_BACK),
        // An access there is one to the device and to nothing else, and no speculation goes there.
        Origin::Device => (Rank::Device, UNCACHED),
    }
}

/// Whom to believe, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rank {
    /// What is called memory.
    Ram = 0,
    /// What the memory map has and that is not RAM: even where it calls the same bytes RAM.
    Hole = 1,
    /// What is named by itself: wherever it is, also outside RAM.
    Named = 2,
    /// Devices: whatever else is said, so that nothing maps one as memory.
    Device = 3,
}

/// What an origin says of its bytes, and how strongly. The greater one decides; of two with the same rank
/// that is the one with the more careful attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// How strongly.
    pub rank: Rank,
    /// How they are mapped, if they are.
    pub attr: Option<Attr>,
}

impl Rule {
    /// What the table says.
    pub const fn of(origin: Origin) -> Self {
        let (rank, attr) = table(origin);
        Self { rank, attr }
    }

    /// What becomes of a byte of which all of these are said; `None` if nothing is.
    pub fn deciding(said: impl IntoIterator<Item = Origin>) -> Option<Self> {
        said.into_iter().map(Self::of).max()
    }

    /// Whether every byte has to be mapped, and so every page that has one.
    pub(super) const fn grows_to_pages(self) -> bool {
        matches!(self.rank, Rank::Named | Rank::Device)
    }

    /// How many numbers there are.
    pub(super) const NUMBERS: usize = 16;

    /// A number that orders as the rules do, below [`Self::NUMBERS`].
    pub(super) const fn number(self) -> u8 {
        let attr = match self.attr {
            None => 0,
            Some(Attr::WriteBack) => 1,
            Some(Attr::Uncached) => 2,
        };
        // CAST: the enum is a `u8`.
        ((self.rank as u8) << 2) | attr
    }

    /// The attribute of the rule with this number.
    pub(super) const fn attr_of(number: u8) -> Option<Attr> {
        match number & 3 {
            0 => None,
            1 => Some(Attr::WriteBack),
            _ => Some(Attr::Uncached),
        }
    }
}
