//! Low memory, saved for a dump before anything overwrites it.
//!
//! A crash kernel takes the first 640 KiB of memory for itself as it starts. For what the machine
//! had there its dump is led to a copy, in memory that the crash kernel leaves alone. Nobody has
//! run in between: a panicking kernel cannot be asked to copy anything.

use rkexec::abi::handover::LOW_BYTES;
use rkexec::addr::{Maddr, Mfn};
use rkexec::identity::{LEGACY, LOW_MEMORY};
use rkexec::range::MaRange;

use super::memory::Memory;

// What is copied is what every identity map has as memory.
const _: () = assert!(LOW_MEMORY.start().raw() == 0 && LOW_MEMORY.len_bytes() == LOW_BYTES);

/// Where low memory is to be copied: whole pages, none of them in the first MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup(MaRange);

impl Backup {
    /// The backup that begins at `start`; `None` if there can be none.
    pub fn at(start: u64) -> Option<Self> {
        let range = MaRange::from_len(Mfn::new(Maddr::new(start)?)?.start(), LOW_BYTES)?;
        // Neither low memory itself nor the devices behind it.
        (range.start() >= LEGACY.end()).then_some(Self(range))
    }

    /// The memory that it takes.
    pub const fn range(self) -> MaRange {
        self.0
    }

    /// Copies low memory there.
    pub fn save(self, memory: &mut impl Memory) {
        memory.copy(self.0.start(), LOW_MEMORY);
    }
}
