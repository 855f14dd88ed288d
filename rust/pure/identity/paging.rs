//! What the processor offers: how many levels, which page sizes.

use super::error::BuildError;
use super::runs::Runs;

use crate::pure::addr::{Addr, Maddr};

/// How many levels the processor walks: what CR4.LA57 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Levels {
    /// CR4.LA57 is clear.
    Four,
    /// CR4.LA57 is set.
    Five,
}

impl Levels {
    /// How many there are.
    pub const fn number(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Five => 5,
        }
    }

    /// The end of the memory that can be mapped virtual = physical.
    ///
    /// Virtual addresses are signed numbers of 48 or 57 bits, and the negative half lies at the
    /// top of the 64-bit space: a physical address that would fall there has no virtual address
    /// equal to it (Intel SDM vol. 1, 3.3.7.1). Five levels reach all physical memory.
    pub const fn limit(self) -> Maddr {
        match self {
            Self::Four => match Addr::new(1 << 47) {
                Some(limit) => limit,
                None => Maddr::END,
            },
            Self::Five => Maddr::END,
        }
    }
}

/// The shape of a page table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Paging {
    /// How many levels it has.
    pub levels: Levels,
    /// Whether the processor has pages of 1 GiB (CPUID 8000_0001h, EDX bit 26).
    pub gib_pages: bool,
}

impl Paging {
    /// Checks that a table of this shape can hold the runs.
    ///
    /// # Errors
    ///
    /// [`BuildError::BeyondLevels`] with the first run that has a byte too high.
    pub fn check(self, runs: Runs<'_>) -> Result<(), BuildError> {
        let limit = self.levels.limit();
        match runs.iter().find(|run| run.range.end() > limit) {
            Some(run) => Err(BuildError::BeyondLevels {
                range: run.range,
                limit,
            }),
            None => Ok(()),
        }
    }
}
