//! What of ours lies in the crash area beside the image: the hand-over, its page tables, the list of
//! what it verifies, and room for the low memory that it saves.
//!
//! It is one piece, in this order. Here is what Xen takes a copy of to put it there.

use core::ops::Range as Pages;

use kernel::prelude::*;

use crate::abi::handover::{CopyListPage, Digest, Params, LOW_BYTES};
use crate::backend::blob::Blob;
use crate::backend::error::LoadError;
use crate::pure::addr::{Maddr, PAGE_SIZE};
use crate::pure::identity::Table;
use crate::pure::range::MaRange;
use crate::sys::buffer::Buffer;
use crate::sys::hypercall::XenSegment;
use crate::sys::sha256::Sha256;

/// It.
pub(super) struct CrashHandover {
    blob: Blob,
    nr_tables: usize,
    /// Without the room for low memory.
    buffer: Buffer,
    /// With it.
    range: MaRange,
    has_backup: bool,
}

/// The sizes of its parts, in pages.
fn nr_pages(blob: Blob, nr_tables: usize) -> usize {
    blob.nr_pages().saturating_add(nr_tables).saturating_add(1)
}

const BACKUP_BYTES: u64 = LOW_BYTES.next_multiple_of(PAGE_SIZE);

impl CrashHandover {
    /// How many bytes it takes.
    pub(super) fn bytes_needed(blob: Blob, nr_tables: usize, has_backup: bool) -> u64 {
        let bytes = (nr_pages(blob, nr_tables) as u64).saturating_mul(PAGE_SIZE);
        match has_backup {
            true => bytes.saturating_add(BACKUP_BYTES),
            false => bytes,
        }
    }

    /// Memory for it. It will be at `range`, which has as many bytes as [`Self::bytes_needed`] says.
    pub(super) fn new(
        blob: Blob,
        nr_tables: usize,
        range: MaRange,
        has_backup: bool,
    ) -> Result<Self, LoadError> {
        let nr_bytes = nr_pages(blob, nr_tables).saturating_mul(PAGE_SIZE as usize);
        let buffer = Buffer::alloc(nr_bytes).ok_or(LoadError::NoMemory("the page tables"))?;
        Ok(Self {
            blob,
            nr_tables,
            buffer,
            range,
            has_backup,
        })
    }

    /// Where it will be.
    pub(super) fn range(&self) -> MaRange {
        self.range
    }

    /// Where Xen enters it.
    pub(super) fn entry(&self) -> Option<Maddr> {
        self.blob.entry(self.range.start())
    }

    fn page_at(&self, page: usize) -> Result<Maddr, LoadError> {
        let offset = (page as u64).saturating_mul(PAGE_SIZE);
        (self.range.start().checked_add(offset)).ok_or(WRONG_SIZE)
    }

    fn table_pages(&self) -> Pages<usize> {
        let first = self.blob.nr_pages();
        first..first.saturating_add(self.nr_tables)
    }

    /// The tables.
    pub(super) fn tables(&self) -> Result<&[Table], LoadError> {
        self.buffer.pages(self.table_pages()).ok_or(WRONG_SIZE)
    }

    /// The same, for writing, and where they will be.
    pub(super) fn tables_mut(&mut self) -> Result<(&mut [Table], Maddr), LoadError> {
        let pages = self.table_pages();
        let at = self.page_at(pages.start)?;
        let tables = self.buffer.pages_mut(pages);
        Ok((tables.ok_or(WRONG_SIZE)?, at))
    }

    /// The digest of the tables, all of which are written.
    pub(super) fn tables_digest(&self) -> Result<Digest, LoadError> {
        self.digest(self.table_pages())
    }

    /// Has `write` write the list; returns where it will be, and its digest.
    pub(super) fn write_list(
        &mut self,
        write: impl FnOnce(&mut CopyListPage),
    ) -> Result<(Maddr, Digest), LoadError> {
        let nr = self.table_pages().end;
        let pages = nr..nr.saturating_add(1);
        let page = self.buffer.pages_mut::<CopyListPage>(pages.clone());
        write(page.and_then(<[_]>::first_mut).ok_or(WRONG_SIZE)?);
        Ok((self.page_at(nr)?, self.digest(pages)?))
    }

    fn digest(&self, pages: Pages<usize>) -> Result<Digest, LoadError> {
        let bytes = |page: usize| page.saturating_mul(PAGE_SIZE as usize);
        let bytes = (self.buffer.bytes()).get(bytes(pages.start)..bytes(pages.end));
        Ok(Sha256::digest(bytes.ok_or(WRONG_SIZE)?))
    }

    /// The room for low memory, if there is any.
    pub(super) fn backup(&self) -> Result<Option<MaRange>, LoadError> {
        if !self.has_backup {
            return Ok(None);
        }
        let start = self.page_at(nr_pages(self.blob, self.nr_tables))?;
        MaRange::new(start, self.range.end())
            .ok_or(WRONG_SIZE)
            .map(Some)
    }

    /// Writes the hand-over with its parameters, which comes last.
    pub(super) fn write_handover(&mut self, params: &Params) -> Result<(), LoadError> {
        self.blob.write(self.buffer.bytes_mut(), params)
    }

    /// What Xen gets.
    pub(super) fn segment(&self) -> XenSegment<'_> {
        XenSegment {
            dest: self.range,
            data: Some(self.buffer.bytes()),
        }
    }
}

/// It cannot be, for all sizes are made here.
const WRONG_SIZE: LoadError = LoadError::Kernel("laying out the hand-over", EIO);
