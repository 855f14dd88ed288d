//! The hand-over as the build has made it: a *blob*, made by `purgatory/`, that becomes part of the module
//! here. What the two share is `abi/handover.rs`.

use core::mem::offset_of;

use kernel::prelude::*;
use kernel::transmute::AsBytes;

use super::error::LoadError;
use crate::abi::handover::{Digest, Header, Params, MAGIC, MAX_SIZE, PARAMS_DIGESTED, VERSION};
use crate::pure::addr::{Addr, Maddr, Mfn, PAGE_SIZE};
use crate::sys::sha256::Sha256;

/// It.
static BLOB: &[u8] = include_bytes!(env!("RKEXEC_HANDOVER"));

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

    /// The root of the tables that a hand-over goes over to, if `page` is the first page of one of this
    /// version.
    pub(super) fn root_in(page: &[u8]) -> Option<Mfn> {
        let header = header_of(page)?;
        let at = (header.params_offset as usize).checked_add(offset_of!(Params, cr3))?;
        let cr3 = u64::from_le_bytes(*page.get(at..)?.first_chunk()?);
        Addr::new(cr3).and_then(Mfn::new)
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
    header_of(BLOB).filter(|header| BLOB.len() == header.size as usize)
}

/// The header that `bytes` begin with, if it is one of this version and makes sense.
fn header_of(bytes: &[u8]) -> Option<Header> {
    let header = Header::read(bytes)?;
    let size = header.size as usize;
    let end_of_params = (header.params_offset as usize).checked_add(size_of::<Params>())?;
    let fits = header.size <= MAX_SIZE
        && size % PAGE_SIZE as usize == 0
        && header.entry_offset < header.size
        && end_of_params <= size;
    (header.magic == MAGIC && header.version == VERSION && fits).then_some(header)
}
