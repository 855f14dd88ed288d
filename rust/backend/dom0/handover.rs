//! The hand-over: the blob that runs between two kernels, and the pages that it will run in.
//!
//! The blob is made by `purgatory/` and becomes part of the module here. What the two share is
//! `abi/handover.rs`.

use kernel::prelude::*;

use crate::abi::handover::{Digest, Header, Params, MAGIC, MAX_SIZE, PARAMS_DIGESTED, VERSION};
use crate::backend::error::LoadError;
use crate::pure::addr::{Maddr, PAGE_SIZE};
use crate::pure::range::MaRange;
use crate::pure::segment::Segments;
use crate::sys::p2m::P2m;
use crate::sys::pages::Block;
use crate::sys::sha256::Sha256;

/// The blob, as the build made it.
static BLOB: &[u8] = include_bytes!("../../../.build/handover/handover.bin");

/// How often memory that lies in a destination is put aside before giving up.
const TRIES: usize = 256;

/// Memory in one piece that is in none of the image's destinations.
///
/// What is in one is kept while the search goes on, or it would only be found again.
pub(super) fn safe_block(
    nr_pages: usize,
    segments: &Segments,
    p2m: &impl P2m,
    what: &'static str,
) -> Result<Block, LoadError> {
    let mut aside = KVec::new();
    for _ in 0..TRIES {
        let Some(block) = Block::alloc(nr_pages, p2m) else {
            break;
        };
        if !segments.overlaps(block.range()) {
            return Ok(block);
        }
        if aside.push(block, GFP_KERNEL).is_err() {
            break;
        }
    }
    Err(LoadError::NoMemory(what))
}

/// The blob in its pages.
pub(super) struct Handover {
    block: Block,
    size: u64,
    entry: u64,
    params: usize,
}

impl Handover {
    /// Puts the blob in pages that no destination touches.
    pub(super) fn new(segments: &Segments, p2m: &impl P2m) -> Result<Self, LoadError> {
        let header = blob_header().ok_or(LoadError::Kernel("the check of the hand-over", EIO))?;
        let nr_pages = header.size as usize / PAGE_SIZE as usize;
        let mut block = safe_block(nr_pages, segments, p2m, "the hand-over in one piece")?;
        if let Some(place) = block.bytes_mut().get_mut(..BLOB.len()) {
            place.copy_from_slice(BLOB);
        }
        Ok(Self {
            block,
            size: u64::from(header.size),
            entry: u64::from(header.entry_offset),
            params: header.params_offset as usize,
        })
    }

    /// Where it will run.
    pub(super) fn range(&self) -> Option<MaRange> {
        MaRange::from_len(self.block.range().start(), self.size)
    }

    /// Where Xen enters it.
    pub(super) fn entry(&self) -> Option<Maddr> {
        self.block.range().start().checked_add(self.entry)
    }

    /// What Xen keeps a copy of.
    pub(super) fn bytes(&self) -> &[u8] {
        let all = self.block.bytes();
        all.get(..self.size as usize).unwrap_or(all)
    }

    /// Writes the parameters and their digest.
    pub(super) fn set_params(&mut self, params: &Params) -> Option<()> {
        let place = self
            .block
            .bytes_mut()
            .get_mut(self.params..)?
            .get_mut(..size_of::<Params>())?;
        // SAFETY: `Params` is a `repr(C)` structure of integers and byte arrays without padding.
        let bytes = unsafe {
            core::slice::from_raw_parts((&raw const *params).cast::<u8>(), size_of::<Params>())
        };
        place.copy_from_slice(bytes);
        let (digested, digest) = place.split_at_mut_checked(PARAMS_DIGESTED)?;
        digest
            .get_mut(..size_of::<Digest>())?
            .copy_from_slice(&Sha256::digest(digested));
        Some(())
    }
}

/// The blob's header, if it is one that this module understands and the blob is whole.
pub(super) fn blob_header() -> Option<Header> {
    let word =
        |at: usize| -> Option<u32> { Some(u32::from_le_bytes(*BLOB.get(at..)?.first_chunk()?)) };
    let header = Header {
        magic: u64::from_le_bytes(*BLOB.first_chunk()?),
        version: word(8)?,
        size: word(12)?,
        entry_offset: word(16)?,
        params_offset: word(20)?,
        epitaph_offset: word(24)?,
        _pad: word(28)?,
    };
    let size = header.size as usize;
    let end_of_params = (header.params_offset as usize).checked_add(size_of::<Params>())?;
    let fits = header.size <= MAX_SIZE
        && size % PAGE_SIZE as usize == 0
        && BLOB.len() <= size
        && header.entry_offset < header.size
        && end_of_params <= size;
    (header.magic == MAGIC && header.version == VERSION && fits).then_some(header)
}
