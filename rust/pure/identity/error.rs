//! What can be wrong with what a map is made from, and with the making.

use core::fmt;

use crate::pure::addr::Maddr;
use crate::pure::range::MaRange;

/// Marks that one range takes: one where it starts, and one where it ends.
pub(super) const MARKS_PER_RANGE: usize = 2;

/// Why there is nothing to build a map from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// There is no room for another range.
    ScratchFull {
        /// How many marks the caller brought.
        marks: usize,
    },
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScratchFull { marks } => write!(
                f,
                "more memory ranges than there is room for ({})",
                marks / MARKS_PER_RANGE
            ),
        }
    }
}

impl core::error::Error for IdentityError {}

/// Why there is no page table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// Memory that so few levels of tables cannot map at its own address.
    BeyondLevels {
        /// The first run of it; part of the run may lie lower.
        range: MaRange,
        /// The end of what can be mapped.
        limit: Maddr,
    },
    /// The map takes more tables than there are.
    TooFewTables {
        /// How many tables the caller brought.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// The caller has no frame for a table.
    NoFrame {
        /// The table's index.
        table: usize,
    },
    /// Another address for a page is in use already.
    AliasTaken {
        /// The virtual address.
        at: u64,
    },
    /// Counting and writing disagree: a mistake in this code, whatever the input.
    Inconsistent {
        /// The memory about which they do.
        at: Maddr,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondLevels { range, limit } => write!(
                f,
                "memory at {range} reaches beyond {limit}, the most that page tables of four \
                 levels can map one to one"
            ),
            Self::TooFewTables { have, need } => {
                write!(f, "the identity map takes {need} page tables, not {have}")
            }
            Self::NoFrame { table } => write!(f, "no machine frame for page table {table}"),
            Self::AliasTaken { at } => write!(f, "something is mapped at {at:#x} already (a bug)"),
            Self::Inconsistent { at } => write!(f, "page tables went wrong at {at} (a bug)"),
        }
    }
}

impl core::error::Error for BuildError {}
