//! What an identity map shall hold, worked out one page at a time from the rules.
//!
//! Slow and plain. Nothing is sorted or merged cleverly: a page is looked at with all ranges in
//! hand. Only the pages at which some range begins or ends need a look, for from one of those to
//! the next nothing changes.

use std::collections::BTreeSet;

use itertools::Itertools;
use rkexec::identity::{Attr, Levels, Paging};
use rkexec::memmap::MapEntry;

/// The end of physical memory.
pub const END: u64 = 1 << 52;
const PAGE: u64 = 4096;
const MIB2: u64 = 2 << 20;
const GIB1: u64 = 1 << 30;

/// What the code under test is given.
#[derive(Clone, Debug, Default)]
pub struct Input {
    pub entries: Vec<MapEntry>,
    /// Start and end of what is asked for write-back, in memory.
    pub write_back: Vec<(u64, u64)>,
    /// The same for devices.
    pub uncached: Vec<(u64, u64)>,
}

impl From<Vec<MapEntry>> for Input {
    /// A memory map, and nothing beside it.
    fn from(entries: Vec<MapEntry>) -> Self {
        Self {
            entries,
            ..Self::default()
        }
    }
}

/// Memory that is mapped alike: start, end, how.
pub type Stretch = (u64, u64, Attr);

/// The bytes of an entry that can exist.
fn bytes_of(entry: &MapEntry) -> (u64, u64) {
    let end = u128::from(entry.start) + u128::from(entry.len_bytes);
    let clip = |addr: u128| u64::try_from(addr.min(u128::from(END))).unwrap();
    (clip(entry.start.into()), clip(end))
}

fn share_a_byte(a: (u64, u64), b: (u64, u64)) -> bool {
    a.0.max(b.0) < a.1.min(b.1)
}

/// The same, sorted by what it means.
pub struct Model {
    ram: Vec<(u64, u64)>,
    not_ram: Vec<(u64, u64)>,
    asked: Vec<(u64, u64)>,
    uncached: Vec<(u64, u64)>,
}

impl Model {
    pub fn new(input: &Input) -> Self {
        let ranges = |sort: fn(u32) -> bool| {
            let entries = input.entries.iter();
            let entries = entries.filter(move |entry| sort(entry.kind_raw));
            entries.map(bytes_of).collect_vec()
        };
        Self {
            ram: ranges(|kind| kind == 1),
            not_ram: ranges(|kind| !matches!(kind, 1 | 3 | 4)),
            asked: [&input.write_back[..], &ranges(|kind| matches!(kind, 3 | 4))].concat(),
            uncached: [&input.uncached[..], &[(0xa_0000, 0x10_0000)]].concat(),
        }
    }

    /// How the page that begins at `page` shall be mapped.
    pub fn how(&self, page: u64) -> Option<Attr> {
        let page = (page, page + PAGE);
        if self.uncached.iter().any(|&r| share_a_byte(r, page)) {
            return Some(Attr::Uncached);
        }
        if self.asked.iter().any(|&r| share_a_byte(r, page)) {
            return Some(Attr::WriteBack);
        }
        if self.not_ram.iter().any(|&r| share_a_byte(r, page)) {
            return None;
        }
        // Whether RAM has every byte: from byte to byte, as far as some entry carries.
        let mut at = page.0;
        while at < page.1 {
            at = self.ram.iter().find(|r| r.0 <= at && at < r.1)?.1;
        }
        Some(Attr::WriteBack)
    }

    /// Every address at which a range begins or ends.
    pub fn edges(&self) -> impl Iterator<Item = u64> + '_ {
        let lower = self.ram.iter().chain(&self.not_ram);
        let upper = self.asked.iter().chain(&self.uncached);
        lower.chain(upper).flat_map(|&(start, end)| [start, end])
    }

    /// Everything there is to map.
    pub fn expected(&self) -> Vec<Stretch> {
        let pages = |edge: u64| [edge / PAGE * PAGE, edge.div_ceil(PAGE) * PAGE];
        let pages = self.edges().flat_map(pages).sorted().dedup();
        let alike = pages.tuple_windows();
        merged(alike.filter_map(|(start, end)| Some((start, end, self.how(start)?))))
    }
}

/// Pieces of memory, in which neighbours that are alike have become one.
pub fn merged<How: PartialEq>(
    pieces: impl Iterator<Item = (u64, u64, How)>,
) -> Vec<(u64, u64, How)> {
    let joined = pieces.coalesce(|a, b| match a.1 == b.0 && a.2 == b.2 {
        true => Ok((a.0, b.1, a.2)),
        false => Err((a, b)),
    });
    joined.collect()
}

/// The first stretch that so many levels cannot reach.
pub fn beyond(expected: &[Stretch], levels: Levels) -> Option<Stretch> {
    let limit = match levels {
        Levels::Four => 1 << 47,
        Levels::Five => END,
    };
    expected.iter().find(|s| s.1 > limit).copied()
}

/// The sizes of pages that there are, the largest first.
fn sizes(paging: Paging) -> &'static [u64] {
    if paging.gib_pages {
        &[GIB1, MIB2, PAGE]
    } else {
        &[MIB2, PAGE]
    }
}

/// The largest page around `at` that lies in the stretch.
pub fn largest_page(stretch: Stretch, at: u64, paging: Paging) -> u64 {
    let fits = |&size: &u64| {
        let start = at / size * size;
        (size == PAGE || start >= MIB2) && start >= stretch.0 && start + size <= stretch.1
    };
    *sizes(paging).iter().find(|size| fits(size)).unwrap()
}

/// How many tables it takes at least.
///
/// A table can be spared where its parent's entry can say the same: where there is nothing, or
/// one page. (The root cannot be spared.)
pub fn fewest_tables(expected: &[Stretch], paging: Paging) -> usize {
    let mut spans = vec![(MIB2, true), (GIB1, paging.gib_pages), (GIB1 << 9, false)];
    if paging.levels == Levels::Five {
        spans.push((GIB1 << 18, false));
    }
    let tables_of = |(span, is_a_page): (u64, bool)| -> u64 {
        let ends = |s: &Stretch| (s.0 / span, (s.1 - 1) / span);
        if !is_a_page {
            // All blocks with a byte in them, each counted once.
            let all: u64 = expected.iter().map(|s| ends(s).1 - ends(s).0 + 1).sum();
            let mut pairs = expected.windows(2);
            let shared = pairs.by_ref().filter(|p| ends(&p[0]).1 == ends(&p[1]).0);
            return all - shared.count() as u64;
        }
        // Only the outer blocks of a stretch can be partial.
        let mut partial = BTreeSet::new();
        for stretch in expected {
            for block in [ends(stretch).0, ends(stretch).1] {
                let (start, end) = (block * span, (block + 1) * span);
                if start < MIB2 || start < stretch.0 || stretch.1 < end {
                    partial.insert(block);
                }
            }
        }
        partial.len() as u64
    };
    1 + spans.into_iter().map(tables_of).sum::<u64>() as usize
}
