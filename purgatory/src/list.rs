//! The copy list: a bounded walk over its pages, and entries that passed their checks.
//!
//! A list that has its digest is what the module wrote, yet every walk checks it again: it costs
//! nothing next to the data, and a list that was overwritten while the image went to its place (by
//! an invariant broken elsewhere) must end in a report, not in a wild copy.

use rkexec::abi::handover::{CopyListPage, Digest, Entry, Params, ZERO_FILL};
use rkexec::addr::{Maddr, Mfn, PAGE_SIZE};
use rkexec::range::MaRange;

use super::backup::Backup;
use super::digest::Hasher;
use super::memory::Memory;

/// What is wrong with the copy list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFault {
    /// It does not have its digest.
    Digest,
    /// It ends early, or goes on past the last page.
    Length,
    /// The address of a list page is not that of a page.
    Link,
    /// A page holds more entries than fit.
    Count,
    /// An entry is empty or not made of whole pages.
    Pages,
    /// An entry reaches past the physical address space.
    Space,
    /// The source of an entry overlaps its destination without being it.
    Overlap,
    /// The destination of an entry overlaps the hand-over or the page tables.
    Protected,
    /// A list page, or the source or destination of an entry, overlaps the backup of low memory.
    Backup,
}

/// An entry that passed its checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Data that goes elsewhere. The two do not overlap.
    Copy {
        /// Where it goes.
        dst: MaRange,
        /// Where it is, as many bytes.
        src: MaRange,
    },
    /// Data that is in its place already.
    InPlace(MaRange),
    /// No data: zeros.
    Zero(MaRange),
}

impl Run {
    /// Where the data is once everything is in its place, if there is any.
    pub const fn data(self) -> Option<MaRange> {
        match self {
            Self::Copy { dst, .. } | Self::InPlace(dst) => Some(dst),
            Self::Zero(_) => None,
        }
    }
}

/// Where the list is, and what no entry may overwrite.
#[derive(Clone, Copy, Debug)]
pub struct List {
    first: Mfn,
    /// Pages after the first.
    more: u64,
    protected: [MaRange; 2],
    backup: Option<Backup>,
}

impl List {
    /// The list that `params` names. `protected` is what must survive until the jump: the hand-over
    /// itself and the page tables. `backup` is written between two walks over the list, so neither
    /// the list nor anything that it names may be there.
    ///
    /// # Errors
    ///
    /// [`ListFault::Link`], [`ListFault::Length`].
    pub fn new(
        params: &Params,
        protected: [MaRange; 2],
        backup: Option<Backup>,
    ) -> Result<Self, ListFault> {
        Ok(Self {
            first: frame(params.list)?,
            more: params
                .nr_list_pages
                .checked_sub(1)
                .ok_or(ListFault::Length)?,
            protected,
            backup,
        })
    }

    /// Checks that the list has the digest `expected` and as many pages as it should, and every entry:
    /// nothing is overwritten for a list that is good only in the beginning.
    ///
    /// # Errors
    ///
    /// [`ListFault::Digest`], or what is wrong with the list.
    pub fn verify(&self, memory: &impl Memory, expected: &Digest) -> Result<(), ListFault> {
        let mut hasher = Hasher::new();
        let mut pages = self.pages();
        loop {
            let range = MaRange::from_len(pages.at.start(), PAGE_SIZE).ok_or(ListFault::Link)?;
            self.spare_backup(range)?;
            hasher.update(memory.bytes(range));
            if !pages.advance(memory.list_page(pages.at))? {
                break;
            }
        }
        if hasher.finish() != *expected {
            return Err(ListFault::Digest);
        }
        let mut runs = self.runs();
        while runs.next(memory)?.is_some() {}
        Ok(())
    }

    /// A walk over the entries.
    pub fn runs(&self) -> Runs<'_> {
        Runs {
            list: self,
            pages: self.pages(),
            index: 0,
        }
    }

    fn pages(&self) -> Pages {
        Pages {
            at: self.first,
            more: self.more,
        }
    }

    /// Checks one entry.
    fn check(&self, entry: &Entry) -> Result<Run, ListFault> {
        let run = check(entry)?;
        let dst = match run {
            Run::Copy { dst, src } => {
                self.spare_backup(src)?;
                dst
            }
            Run::InPlace(there) => {
                self.spare_backup(there)?;
                return Ok(run);
            }
            Run::Zero(dst) => dst,
        };
        self.spare_backup(dst)?;
        if self.protected.iter().any(|range| range.overlaps(dst)) {
            return Err(ListFault::Protected);
        }
        Ok(run)
    }

    /// Checks that nothing in `range` is overwritten by the backup, nor the other way round.
    fn spare_backup(&self, range: MaRange) -> Result<(), ListFault> {
        match self.backup {
            Some(backup) if backup.range().overlaps(range) => Err(ListFault::Backup),
            _ => Ok(()),
        }
    }
}

/// Checks an entry as far as it can be judged alone.
fn check(entry: &Entry) -> Result<Run, ListFault> {
    let whole = |value: u64| value % PAGE_SIZE == 0;
    if entry.len == 0 || !whole(entry.len) || !whole(entry.dst) || !whole(entry.src) {
        return Err(ListFault::Pages);
    }
    let dst = run(entry.dst, entry.len)?;
    if entry.src == ZERO_FILL {
        return Ok(Run::Zero(dst));
    }
    let src = run(entry.src, entry.len)?;
    if src == dst {
        return Ok(Run::InPlace(src));
    }
    if src.overlaps(dst) {
        return Err(ListFault::Overlap);
    }
    Ok(Run::Copy { dst, src })
}

fn run(start: u64, len: u64) -> Result<MaRange, ListFault> {
    let start = Maddr::new(start).ok_or(ListFault::Space)?;
    MaRange::from_len(start, len).ok_or(ListFault::Space)
}

fn frame(address: u64) -> Result<Mfn, ListFault> {
    // Page 0 is nobody's list page: 0 means that there is none.
    if address == 0 {
        return Err(ListFault::Length);
    }
    Maddr::new(address)
        .and_then(Mfn::new)
        .ok_or(ListFault::Link)
}

/// A place in the chain of list pages.
struct Pages {
    at: Mfn,
    /// Pages after this one: what bounds the walk, whatever the links say.
    more: u64,
}

impl Pages {
    /// Moves on from `page`, the page at this place; `false` after the last one.
    fn advance(&mut self, page: &CopyListPage) -> Result<bool, ListFault> {
        match self.more.checked_sub(1) {
            Some(more) => {
                self.at = frame(page.next)?;
                self.more = more;
                Ok(true)
            }
            None if page.next == 0 => Ok(false),
            None => Err(ListFault::Length),
        }
    }
}

/// A walk over the entries of a list.
pub struct Runs<'a> {
    list: &'a List,
    pages: Pages,
    /// The next entry in the page.
    index: usize,
}

impl Runs<'_> {
    /// The next entry, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// What is wrong with the list; do not go on then.
    pub fn next(&mut self, memory: &impl Memory) -> Result<Option<Run>, ListFault> {
        loop {
            let page = memory.list_page(self.pages.at);
            let nr = usize::try_from(page.nr).map_err(|_too_many| ListFault::Count)?;
            let valid = page.entries.get(..nr).ok_or(ListFault::Count)?;
            if let Some(entry) = valid.get(self.index) {
                self.index = self.index.saturating_add(1);
                return self.list.check(entry).map(Some);
            }
            if !self.pages.advance(page)? {
                return Ok(None);
            }
            self.index = 0;
        }
    }
}
