//! The hand-over: the blob that runs between two kernels, and the pages that it will run in.
//!
//! The blob is made by `purgatory/` and becomes part of the module here. What the two share is
//! `abi/handover.rs`.

use kernel::prelude::*;
use kernel::transmute::AsBytes;

use super::memory::Mapped;
use crate::abi::handover::{Digest, Header, Params, MAGIC, MAX_SIZE, PARAMS_DIGESTED, VERSION};
use crate::backend::error::LoadError;
use crate::backend::long_load::give_way;
use crate::pure::addr::{Maddr, PAGE_SIZE};
use crate::pure::placement;
use crate::pure::range::MaRange;
use crate::pure::segment::Segments;
use crate::sys::p2m::XenPv;
use crate::sys::pages::Block;
use crate::sys::sha256::Sha256;

/// The blob, as the build made it.
static BLOB: &[u8] = include_bytes!("../../../.build/handover/handover.bin");

/// Memory in one piece that the map of all memory has, and that is in none of the image's
/// destinations.
///
/// What is not is kept while the search goes on, or it would only be found again; and it goes on until
/// dom0 has no more such pieces, for a large destination, or all memory that was added to the machine,
/// may come first, in pieces of a few pages. The kernel kills nobody to make room for one.
pub(super) fn safe_block(
    nr_pages: usize,
    segments: &Segments,
    mapped: &Mapped<'_>,
    what: &'static str,
) -> Result<Block, LoadError> {
    let mut aside = KVVec::new();
    while let Some(block) = Block::alloc(nr_pages, &XenPv) {
        if placement::is_safe(block.range(), segments, mapped.ram()) {
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

/// The blob, which is whole, and one that this module understands.
#[derive(Clone, Copy)]
pub(super) struct Blob(Header);

impl Blob {
    /// Checks it.
    pub(super) fn get() -> Result<Self, LoadError> {
        header()
            .map(Self)
            .ok_or(LoadError::Kernel("the check of the hand-over", EIO))
    }

    /// How much memory it takes, in bytes: whole pages.
    pub(super) fn size(self) -> usize {
        self.0.size as usize
    }

    /// The same in pages.
    pub(super) fn nr_pages(self) -> usize {
        self.size() / PAGE_SIZE as usize
    }

    /// Where to enter it if it begins at `first`.
    pub(super) fn entry(self, first: Maddr) -> Option<Maddr> {
        first.checked_add(u64::from(self.0.entry_offset))
    }

    /// Writes it to the beginning of `place`, with these parameters and their digest.
    pub(super) fn write(self, place: &mut [u8], params: &Params) -> Result<(), LoadError> {
        self.write_parts(place, params)
            .ok_or(LoadError::Kernel("writing the hand-over", EIO))
    }

    fn write_parts(self, place: &mut [u8], params: &Params) -> Option<()> {
        let place = place.get_mut(..self.size())?;
        place.get_mut(..BLOB.len())?.copy_from_slice(BLOB);
        let place = place
            .get_mut(self.0.params_offset as usize..)?
            .get_mut(..size_of::<Params>())?;
        place.copy_from_slice(params.as_bytes());
        let (digested, digest) = place.split_at_mut_checked(PARAMS_DIGESTED)?;
        digest
            .get_mut(..size_of::<Digest>())?
            .copy_from_slice(&Sha256::digest(digested));
        Some(())
    }
}

/// The header of the blob, if it can be relied on.
fn header() -> Option<Header> {
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

/// The blob in pages of dom0's.
pub(super) struct Handover {
    blob: Blob,
    block: Block,
}

impl Handover {
    /// Finds pages that no destination touches.
    pub(super) fn new(segments: &Segments, mapped: &Mapped<'_>) -> Result<Self, LoadError> {
        let blob = Blob::get()?;
        let block = safe_block(
            blob.nr_pages(),
            segments,
            mapped,
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

    /// Where Xen enters it.
    pub(super) fn entry(&self) -> Option<Maddr> {
        self.blob.entry(self.start())
    }

    /// What Xen keeps a copy of.
    pub(super) fn bytes(&self) -> &[u8] {
        let all = self.block.bytes();
        all.get(..self.blob.size()).unwrap_or(all)
    }

    /// Fills the pages.
    pub(super) fn write(&mut self, params: &Params) -> Result<(), LoadError> {
        self.blob.write(self.block.bytes_mut(), params)
    }
}
