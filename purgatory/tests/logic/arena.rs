//! Machine memory for tests: some pages somewhere, and page faults everywhere else.

use std::cell::Cell;
use std::slice;

use rkexec::abi::handover::{CopyListPage, Digest, Entry, Params, ENTRIES_PER_PAGE};
use rkexec::addr::{Maddr, Mfn, PAGE_SIZE};
use rkexec::range::MaRange;
use rkexec_handover::backup::Backup;
use rkexec_handover::digest::Hasher;
use rkexec_handover::list::{List, ListFault};
use rkexec_handover::memory::Memory;
use zerocopy::IntoBytes as _;

/// The address of the first page.
pub const BASE: u64 = 0x4000_0000;
/// Pages in the arena.
pub const PAGES: u64 = 64;
/// Stands in for the hand-over: the last page but one.
pub const CHUNK: u64 = BASE + (PAGES - 2) * PAGE_SIZE;
/// Stands in for the page tables: the last page.
pub const TABLES: u64 = BASE + (PAGES - 1) * PAGE_SIZE;

/// What an access outside of the arena panics with.
#[derive(Debug, PartialEq, Eq)]
pub struct PageFault;

/// The memory. Counts how often a list page was looked at.
pub struct Arena {
    base: u64,
    /// Words, for list pages want to be aligned.
    words: Vec<u64>,
    pub looks: Cell<usize>,
}

pub fn page(nr: u64) -> u64 {
    BASE + nr * PAGE_SIZE
}

pub fn range(start: u64, len: u64) -> MaRange {
    MaRange::from_len(Maddr::new(start).unwrap(), len).unwrap()
}

/// What is copied from where to where.
pub fn entry(dst: u64, src: u64, len: u64) -> Entry {
    Entry { dst, src, len }
}

/// A list page that begins with `some` entries, and says that there are `nr`.
pub fn list_page(next: u64, nr: u64, some: &[Entry]) -> CopyListPage {
    let mut entries = [Entry::default(); ENTRIES_PER_PAGE];
    entries[..some.len()].copy_from_slice(some);
    CopyListPage { next, nr, entries }
}

impl Arena {
    /// [`PAGES`] at [`BASE`].
    pub fn new() -> Self {
        Self::at(BASE, PAGES)
    }

    /// `count` pages at `base`, none of them zeros, every one different from all others.
    pub fn at(base: u64, count: u64) -> Self {
        let words = vec![0; (count * PAGE_SIZE / 8) as usize];
        let looks = Cell::new(0);
        let mut arena = Self { base, words, looks };
        for (nr, page) in (0_u32..).zip(arena.all_mut().chunks_mut(PAGE_SIZE as usize)) {
            // The first four bytes tell the page, the others are never 0.
            for (i, byte) in page.iter_mut().enumerate() {
                *byte = (nr as u8).wrapping_mul(3) ^ (i as u8) | 0x80;
            }
            page[..4].copy_from_slice(&nr.to_le_bytes());
        }
        arena
    }

    pub fn all(&self) -> &[u8] {
        self.words.as_bytes()
    }

    pub fn all_mut(&mut self) -> &mut [u8] {
        self.words.as_mut_bytes()
    }

    fn offsets_of(&self, range: MaRange) -> Option<std::ops::Range<usize>> {
        let start = range.start().raw().checked_sub(self.base)? as usize;
        let end = range.end().raw().checked_sub(self.base)? as usize;
        (end <= self.all().len()).then_some(start..end)
    }

    fn offsets(&self, range: MaRange) -> std::ops::Range<usize> {
        let offsets = self.offsets_of(range);
        offsets.unwrap_or_else(|| std::panic::panic_any(PageFault))
    }

    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        let offsets = self.offsets(range(at, bytes.len() as u64));
        self.all_mut()[offsets].copy_from_slice(bytes);
    }

    /// What it should hold when all of these are done at once.
    pub fn with_image(&self, entries: &[Entry]) -> Vec<u8> {
        let mut after = self.all().to_vec();
        for entry in entries {
            let dst = self.offsets(range(entry.dst, entry.len));
            match entry.src {
                0 => after[dst].fill(0),
                src => after[dst].copy_from_slice(self.bytes(range(src, entry.len))),
            }
        }
        after
    }

    pub fn write_list_page(&mut self, at: u64, list_page: &CopyListPage) {
        // SAFETY: A list page is 4096 bytes without padding.
        let bytes = unsafe { slice::from_raw_parts((&raw const *list_page).cast::<u8>(), 4096) };
        self.write(at, bytes);
    }

    /// Writes `entries` to list pages at `pages`, so many to each, linked in this order.
    pub fn write_list(&mut self, entries: &[Entry], per_page: usize, pages: &[u64]) -> Params {
        let mut left = entries;
        for (i, &at) in pages.iter().enumerate() {
            let (now, later) = left.split_at(left.len().min(per_page));
            left = later;
            let next = pages.get(i + 1).copied().unwrap_or(0);
            self.write_list_page(at, &list_page(next, now.len() as u64, now));
        }
        assert!(left.is_empty(), "more entries than the list pages hold");
        // What is nowhere has no digest.
        let there = |entry: &&Entry| self.offsets_of(range(entry.src, entry.len)).is_some();
        let copied = entries.iter().filter(|entry| entry.src != 0);
        let copied = copied.filter(there);
        Params {
            list: pages[0],
            nr_list_pages: pages.len() as u64,
            list_digest: self.digest(pages.iter().map(|&at| (at, PAGE_SIZE))),
            image_digest: self.digest(copied.map(|entry| (entry.src, entry.len))),
            ..params()
        }
    }

    pub fn digest(&self, parts: impl Iterator<Item = (u64, u64)>) -> Digest {
        let mut hasher = Hasher::new();
        for (start, len) in parts {
            hasher.update(self.bytes(range(start, len)));
        }
        hasher.finish()
    }
}

impl Memory for Arena {
    fn bytes(&self, range: MaRange) -> &[u8] {
        &self.all()[self.offsets(range)]
    }

    fn hash(&self, range: MaRange, hasher: &mut Hasher) {
        hasher.update(self.bytes(range));
    }

    fn list_page(&self, frame: Mfn) -> &CopyListPage {
        self.looks.set(self.looks.get() + 1);
        let offsets = self.offsets(range(frame.start().raw(), PAGE_SIZE));
        // SAFETY: The offset of a page is aligned for one, as the words are, and any bytes are a list page.
        unsafe { &*self.all()[offsets].as_ptr().cast() }
    }

    fn copy(&mut self, dst: Maddr, src: MaRange) {
        let to = self.offsets(range(dst.raw(), src.len_bytes()));
        let from = self.offsets(src);
        self.all_mut().copy_within(from, to.start);
    }

    fn zero(&mut self, dst: MaRange) {
        let offsets = self.offsets(dst);
        self.all_mut()[offsets].fill(0);
    }
}

/// Parameters of which only the list matters.
pub fn params() -> Params {
    Params {
        cr3: TABLES,
        tables: TABLES,
        nr_tables: 1,
        tables_digest: [0; 32],
        list: 0,
        nr_list_pages: 0,
        list_digest: [0; 32],
        image_digest: [0; 32],
        entry: page(0),
        rsi: 0,
        serial_port: 0,
        flags: 0,
        backup: 0,
        tsc_khz: 0,
        params_digest: [0; 32],
    }
}

/// The list that `params` name, with the chunk and the tables protected.
pub fn list(params: &Params) -> Result<List, ListFault> {
    List::new(
        params,
        [range(CHUNK, PAGE_SIZE), range(TABLES, PAGE_SIZE)],
        Backup::at(params.backup),
    )
}
