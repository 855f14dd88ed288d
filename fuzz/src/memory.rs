//! Machine memory for the hand-over: pages somewhere, of which only a number is known, or a list page. Everywhere else
//! there are zeros.

use std::collections::BTreeMap;

use rkexec::abi::handover::{CopyListPage, Digest, Entry, ENTRIES_PER_PAGE};
use rkexec::addr::{Maddr, Mfn, PAGE_SIZE};
use rkexec::range::MaRange;
use rkexec_handover::digest::Hasher;
use rkexec_handover::memory;

/// What is in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Number(u64),
    List(Box<ListPage>),
}

/// A page of the list, as the hand-over reads it and as it hashes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListPage {
    page: CopyListPage,
    bytes: Vec<u8>,
}

impl ListPage {
    pub(crate) fn new(page: CopyListPage) -> Self {
        let entries = page.entries.iter().flat_map(|it| [it.dst, it.src, it.len]);
        let words = [page.next, page.nr].into_iter().chain(entries);
        let bytes = words.flat_map(u64::to_le_bytes).collect();
        Self { page, bytes }
    }

    /// The address of the page behind it.
    pub(crate) fn next(&self) -> u64 {
        self.page.next
    }
}

/// A page of a list that is empty and ends there: zeros.
const EMPTY: CopyListPage = CopyListPage {
    next: 0,
    nr: 0,
    entries: [Entry {
        dst: 0,
        src: 0,
        len: 0,
    }; ENTRIES_PER_PAGE],
};

/// The memory, by the number of the frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory(pub(crate) BTreeMap<u64, Content>);

impl Memory {
    /// The digest of list pages, in this order.
    pub(crate) fn list_digest(&self, frames: impl IntoIterator<Item = u64>) -> Digest {
        let mut hasher = Hasher::new();
        for frame in frames {
            hasher.update(memory::Memory::bytes(self, page(frame)));
        }
        hasher.finish()
    }

    fn frames(range: MaRange) -> std::ops::Range<u64> {
        range.start().raw() / PAGE_SIZE..range.end().raw() / PAGE_SIZE
    }
}

/// The page with this number.
pub(crate) fn page(frame: u64) -> MaRange {
    crate::common::pages(frame, 1)
}

impl memory::Memory for Memory {
    fn bytes(&self, range: MaRange) -> &[u8] {
        assert_eq!(range.len_bytes(), PAGE_SIZE, "a list page");
        match self.0.get(&Self::frames(range).start) {
            Some(Content::List(list)) => &list.bytes,
            _ => &[0; PAGE_SIZE as usize],
        }
    }

    /// Of each page that is known its number and what it has.
    fn hash(&self, range: MaRange, hasher: &mut Hasher) {
        let frames = Self::frames(range);
        for (frame, content) in self.0.range(frames.clone()) {
            hasher.update(&(frame - frames.start).to_le_bytes());
            match content {
                Content::Number(number) => hasher.update(&number.to_le_bytes()),
                Content::List(list) => hasher.update(&list.bytes),
            }
        }
    }

    fn list_page(&self, frame: Mfn) -> &CopyListPage {
        match self.0.get(&frame.number()) {
            Some(Content::List(list)) => &list.page,
            _ => &EMPTY,
        }
    }

    fn copy(&mut self, dst: Maddr, src: MaRange) {
        let dst = MaRange::from_len(dst, src.len_bytes()).expect("a destination that exists");
        assert!(!dst.overlaps(src), "a copy onto itself");
        let from = Self::frames(src);
        let known = self.0.range(from.clone());
        let known: Vec<_> = known
            .map(|(frame, it)| (frame - from.start, it.clone()))
            .collect();
        memory::Memory::zero(self, dst);
        let to = Self::frames(dst).start;
        self.0
            .extend(known.into_iter().map(|(offset, it)| (to + offset, it)));
    }

    fn zero(&mut self, dst: MaRange) {
        let frames = Self::frames(dst);
        self.0.retain(|frame, _| !frames.contains(frame));
    }
}
