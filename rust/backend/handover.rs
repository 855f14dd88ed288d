//! The hand-over in pages of this kernel's, where it will run; and how such pages are found.

use kernel::prelude::*;

use super::blob::Blob;
use super::error::LoadError;
use super::long_load::give_way;
use crate::abi::handover::Params;
use crate::pure::addr::Maddr;
use crate::pure::placement;
use crate::pure::range::MaRange;
use crate::pure::segment::Segments;
use crate::sys::p2m::P2m;
use crate::sys::pages::Block;

/// Where pages may be that the hand-over is to find.
pub(super) struct Place<'a, P> {
    /// The way from this kernel's pages to the machine's.
    pub(super) p2m: &'a P,
    /// The RAM that the map of all memory has, in order.
    pub(super) ram: &'a [MaRange],
}

/// Memory in one piece that the map of all memory has, and that is in none of the image's
/// destinations.
///
/// What is not is kept while the search goes on, or it would only be found again; and it goes on until
/// the kernel has no more such pieces, for a large destination, or all memory that was added to a Xen
/// machine, may come first, in pieces of a few pages. The kernel kills nobody to make room for one.
pub(super) fn safe_block(
    nr_pages: usize,
    segments: &Segments,
    place: &Place<'_, impl P2m>,
    what: &'static str,
) -> Result<Block, LoadError> {
    let mut aside = KVVec::new();
    while let Some(block) = Block::alloc(nr_pages, place.p2m) {
        if placement::is_safe(block.range(), segments, place.ram) {
            return Ok(block);
        }
        aside
            .push(block, GFP_KERNEL)
            .map_err(|_| LoadError::NoMemory(what))?;
        give_way()?;
    }
    Err(match aside.is_empty() {
        true => LoadError::NoMemory(what),
        false => LoadError::NoSafeMemory(what),
    })
}

/// The blob in pages of this kernel's.
pub(super) struct Handover {
    blob: Blob,
    block: Block,
}

impl Handover {
    /// Finds pages that no destination touches.
    pub(super) fn new(segments: &Segments, place: &Place<'_, impl P2m>) -> Result<Self, LoadError> {
        let blob = Blob::get()?;
        let block = safe_block(
            blob.nr_pages(),
            segments,
            place,
            "the hand-over in one piece",
        )?;
        Ok(Self { blob, block })
    }

    /// Where it begins.
    pub(super) fn start(&self) -> Maddr {
        self.block.range().start()
    }

    /// Where it will run.
    pub(super) fn range(&self) -> Option<MaRange> {
        MaRange::from_len(self.start(), self.blob.size() as u64)
    }

    /// Where it is entered.
    pub(super) fn entry(&self) -> Option<Maddr> {
        self.blob.entry(self.start())
    }

    /// What Xen keeps a copy of.
    pub(super) fn bytes(&self) -> &[u8] {
        let all = self.block.bytes();
        all.get(..self.blob.size()).unwrap_or(all)
    }

    /// Its pages, some of which may be left over.
    pub(super) fn into_block(self) -> Block {
        self.block
    }

    /// Fills the pages.
    pub(super) fn write(&mut self, params: &Params) -> Result<(), LoadError> {
        self.blob.write(self.block.bytes_mut(), params)
    }
}
