//! The identity map: every byte of RAM at its own address, and no byte of a hole.
//!
//! ```text
//!   memory map, asked-for ranges          Sources (rule.rs, layers.rs)
//!     -> disjoint runs, whole pages       Runs    (runs.rs)
//!     -> the largest pages that fit       LeafRun (leaves.rs)
//!     -> how many tables                  table_count (count.rs)
//!     -> tables                           build (build.rs; level.rs, table.rs)
//!     -> one page at another address too  link_alias (alias.rs)
//!     -> and back, to see what is mapped  walk (walk.rs)
//!     -> and whether that is what was to be  Finished::certify (certify.rs)
//! ```
//!
//! Nothing here allocates: the caller brings the memory to sort in and the tables. Nothing
//! panics, whatever the ranges are. All addresses are machine addresses, in bytes.
//!
//! What it holds of what, and what decides where two contradict each other, says the table in
//! `rule.rs`. RAM is mapped in whole pages, neighbours merged first; what is named (ACPI's tables, image
//! segments, devices such as [`LEGACY`]) to whole pages. So nothing maps a device cached, and a segment
//! is mapped wherever the caller puts it, unless that is a device.

mod alias;
mod build;
mod certify;
mod count;
mod error;
mod layers;
mod leaves;
pub mod level;
mod paging;
mod rule;
mod runs;
mod sort;
mod table;
mod walk;

pub use alias::{alias_table_count, link_alias, Alias, Vaddr};
pub use build::build;
pub use certify::{Finished, Flaw};
pub use count::table_count;
pub use error::{BuildError, IdentityError};
pub use layers::Layers;
pub use leaves::{leaf_runs, LeafRun, LeafRuns, LeafSize};
pub use level::Attr;
pub use paging::{Levels, Paging};
pub use rule::{Origin, Rank, Rule};
pub use runs::{Mark, Run, Runs};
pub use table::Table;
pub use walk::{walk, Mapping, Walked};

use super::addr::{Addr, Maddr};
use super::memmap::MapEntry;
use super::range::{MaRange, Range};

/// Video memory, option ROMs and the BIOS. Memory maps leave it out or call it reserved, and now
/// and then usable; it is never mapped as memory.
pub const LEGACY: MaRange = match (Addr::new(0xA_0000), Addr::new(0x10_0000)) {
    (Some(start), Some(end)) => match Range::new(start, end) {
        Some(range) => range,
        None => Range::empty_at(Maddr::ZERO),
    },
    _ => Range::empty_at(Maddr::ZERO),
};

const _: () = assert!(LEGACY.len_bytes() == 0x6_0000);

/// The memory below [`LEGACY`]: the interrupt vectors of real mode, the BIOS data areas, and what
/// else the firmware keeps there. Memory maps call pieces of it reserved, such as page 0 on many
/// UEFI machines; but a kernel that starts reads the BIOS data area for a place to put its
/// trampoline, before it can handle a page fault (`arch/x86/boot/compressed/pgtable_64.c`). So it
/// is a range to ask for in a map that enters a kernel.
pub const LOW_MEMORY: MaRange = match Range::new(Maddr::ZERO, LEGACY.start()) {
    Some(range) => range,
    None => Range::empty_at(Maddr::ZERO),
};

/// Collects what an identity map shall hold.
#[derive(Debug)]
pub struct Sources<'a>(Layers<'a>);

impl<'a> Sources<'a> {
    /// The marks that it takes to collect `nr_ranges` ranges (map entries count), beside what is
    /// always in the map.
    pub const fn marks_needed(nr_ranges: usize) -> usize {
        nr_ranges
            .saturating_add(1) // `LEGACY`
            .saturating_mul(Layers::MARKS_PER_RANGE)
    }

    /// Nothing but [`LEGACY`] yet. `scratch` is the memory to work in; what is in it does not
    /// matter.
    ///
    /// # Errors
    ///
    /// [`IdentityError::ScratchFull`] if it is too small even for that.
    pub fn new(scratch: &'a mut [Mark]) -> Result<Self, IdentityError> {
        let mut layers = Layers::new(scratch);
        layers.add(Rule::of(Origin::Device), LEGACY)?;
        Ok(Self(layers))
    }

    /// Adds what something says of a range.
    ///
    /// # Errors
    ///
    /// [`IdentityError::ScratchFull`]
    pub fn add(&mut self, origin: Origin, range: MaRange) -> Result<(), IdentityError> {
        self.0.add(Rule::of(origin), range)
    }

    /// Adds an entry of the memory map.
    ///
    /// # Errors
    ///
    /// [`IdentityError::ScratchFull`]
    pub fn add_entry(&mut self, entry: MapEntry) -> Result<(), IdentityError> {
        self.add(Origin::Map(entry.kind()), entry.range())
    }

    /// Adds memory that is to be mapped write-back whatever the memory map says about it.
    ///
    /// # Errors
    ///
    /// [`IdentityError::ScratchFull`]
    pub fn add_write_back(&mut self, range: MaRange) -> Result<(), IdentityError> {
        self.add(Origin::AskedFor, range)
    }

    /// Adds a device that is to be mapped, uncached.
    ///
    /// # Errors
    ///
    /// [`IdentityError::ScratchFull`]
    pub fn add_uncached(&mut self, range: MaRange) -> Result<(), IdentityError> {
        self.add(Origin::Device, range)
    }

    /// What the map shall hold. Takes the time that sorting takes.
    pub fn runs(self) -> Runs<'a> {
        self.0.flatten()
    }
}
