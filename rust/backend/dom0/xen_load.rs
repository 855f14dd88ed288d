//! The way into Xen: how it is told of the hand-over, by whichever interface it has.
//!
//! By V2 Xen gets the hand-over with its data, and is told to map the page tables and the first MiB.
//! V1 knows only pages that are to be copied somewhere: there the tables are copied to where they
//! are, and the first MiB cannot be asked for. The hand-over does not need it before it loads its
//! own page tables, and those have it.

use kernel::prelude::*;

use super::{memory, xen};
use crate::backend::error::LoadError;
use crate::backend::handover::Handover;
use crate::pure::addr::{Maddr, Mfn, PAGE_SIZE};
use crate::pure::indirection::{self, IndirectionError, IndirectionPage};
use crate::pure::range::MaRange;
use crate::pure::xen_abi::Abi;
use crate::sys::hypercall::{self, XenSegment};
use crate::sys::p2m::P2m;
use crate::sys::pages::Block;

/// The load hypercall of a default image: what it needs beside the hand-over itself.
pub(super) enum XenLoad {
    /// By V1: this list.
    V1(IndirectionList),
    /// By V2: nothing that has to be kept.
    V2,
}

/// A list for V1, in pages of its own.
pub(super) struct IndirectionList {
    #[expect(
        dead_code,
        reason = "kept for Xen, which reads it by its machine address"
    )]
    pages: Block,
    start: Maddr,
}

impl XenLoad {
    /// The one that is used with this Xen.
    pub(super) fn new(
        handover: &Handover,
        tables: &Block,
        p2m: &impl P2m,
    ) -> Result<Self, LoadError> {
        match xen::used() {
            Abi::V2 => Ok(Self::V2),
            Abi::V1 => {
                let handover = handover
                    .range()
                    .ok_or(LoadError::Kernel("finding the hand-over", EIO))?;
                IndirectionList::new(&[handover, tables.range()], p2m).map(Self::V1)
            }
        }
    }

    /// Loads the hand-over, in place of what Xen has. Neither allocates nor sleeps, and may be
    /// repeated. `tables` are those that it was made with.
    pub(super) fn load(&self, handover: &Handover, tables: &Block) -> Result {
        let (Some(range), Some(entry)) = (handover.range(), handover.entry()) else {
            return Err(EIO);
        };
        match self {
            // SAFETY: The list is of pages that the image owns, and lives as long as it.
            Self::V1(list) => unsafe { hypercall::load_v1(entry, list.start) },
            Self::V2 => hypercall::load_v2(
                entry,
                &[
                    XenSegment {
                        dest: memory::FIRST_MIB,
                        data: None,
                    },
                    XenSegment {
                        dest: range,
                        data: Some(handover.bytes()),
                    },
                    XenSegment {
                        dest: tables.range(),
                        data: None,
                    },
                ],
            ),
        }
    }
}

impl IndirectionList {
    /// The list for pages that stay where they are. They belong to the image.
    fn new(ranges: &[MaRange], p2m: &impl P2m) -> Result<Self, LoadError> {
        // Xen reads it while it loads and never again, so it may lie anywhere.
        let mut pages = Block::alloc(indirection::pages_needed(ranges), p2m)
            .ok_or(LoadError::NoMemory("the list of pages for Xen"))?;
        let first = pages.range().start();
        let frames = (0u64..).map_while(|nr| {
            let offset = nr.checked_mul(PAGE_SIZE)?;
            Mfn::new(first.checked_add(offset)?)
        });
        let list = pages.as_pages_mut::<IndirectionPage>();
        let start = indirection::write(ranges, frames.zip(list))?;
        Ok(Self { pages, start })
    }
}

impl From<IndirectionError> for LoadError {
    fn from(_: IndirectionError) -> Self {
        // Neither can happen: the ranges are whole pages, and there is room for the list.
        Self::Kernel("writing the list of pages for Xen", EIO)
    }
}
