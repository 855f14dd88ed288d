//! Physical memory as a map of words, and a visitor that remembers.

use std::collections::BTreeMap;

use rkexec_bare::text::Sink;
use rkexec_probe::entry::Page;
use rkexec_probe::level::CR4_LA57;
use rkexec_probe::memory::{Memory, Phys, PAGE};
use rkexec_probe::report::report;
use rkexec_probe::state::State;
use rkexec_probe::translate::Root;
use rkexec_probe::walk::{walk, Tables, TooManyTables, Visitor};

/// Present, writable, accessed.
pub const TABLE: u64 = 0x23;
/// Present, writable, accessed, dirty.
pub const LEAF: u64 = 0x63;
/// A leaf above the last level.
pub const LARGE: u64 = 0x80;
/// The PAT of Linux: WB, WC, UC-, UC, WB, WP, UC-, WT.
pub const PAT: u64 = 0x0407_0506_0007_0106;

/// Words that are not there read as zero.
#[derive(Default)]
pub struct Words(pub BTreeMap<u64, u64>);

impl Words {
    /// Writes entry number `index` of the table at `table`.
    pub fn entry(&mut self, table: u64, index: u64, entry: u64) {
        self.0.insert(table + index * 8, entry);
    }

    /// Page tables of four levels at 0x1000 to 0x4000, whose last one holds `entries`, from the one
    /// for 0 up.
    pub fn small(entries: &[(u64, u64)]) -> Self {
        let mut words = Self::default();
        for table in [0x1000, 0x2000, 0x3000] {
            words.entry(table, 0, table + PAGE + TABLE);
        }
        for &(index, entry) in entries {
            words.entry(0x4000, index, entry);
        }
        words
    }
}

impl Memory for Words {
    fn word(&mut self, at: Phys) -> u64 {
        assert_eq!(at.0 % 8, 0, "{at:x?}");
        self.0.get(&at.0).copied().unwrap_or(0)
    }
}

/// What a walk has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub pages: Vec<Page>,
    pub malformed: Vec<(u64, u64)>,
    pub again: Vec<(u64, u64)>,
}

impl Visitor for Found {
    fn page(&mut self, page: Page) {
        self.pages.push(page);
    }

    fn malformed(&mut self, entry: u64, virt: u64) {
        self.malformed.push((entry, virt));
    }

    fn again(&mut self, at: Phys, virt: u64) {
        self.again.push((at.0, virt));
    }
}

/// Walks from a root at 0x1000, with room for so many tables. The number is that of the tables.
pub fn find(words: &mut Words, cr4: u64, room: usize) -> (Found, Result<usize, TooManyTables>) {
    let mut room = vec![Phys(0); room];
    let mut tables = Tables::new(&mut room);
    let mut found = Found::default();
    let result = walk(Root::new(0x1000, cr4), words, &mut tables, &mut found);
    (found, result.map(|()| tables.nr()))
}

/// Walks through four levels in which nothing is wrong.
pub fn pages(words: &mut Words) -> Vec<Page> {
    let (found, tables) = find(words, 0, 64);
    assert!(tables.is_ok());
    assert_eq!(found.malformed, []);
    assert_eq!(found.again, []);
    found.pages
}

/// Text.
#[derive(Default)]
pub struct Text(String);

impl Sink for Text {
    fn put(&mut self, byte: u8) {
        assert!(byte.is_ascii());
        self.0.push(char::from(byte));
    }
}

/// The lines of a report that begin with `probe: ` and `start`, without that.
pub fn lines(state: &State, words: &mut Words, start: &str) -> Vec<String> {
    let mut room = [Phys(0); 64];
    let mut text = Text::default();
    report(state, words, Tables::new(&mut room), &mut text);
    let lines = text.0.lines().map(|line| line.strip_prefix("probe: "));
    lines
        .map(|line| line.expect("every line begins so"))
        .filter_map(|line| line.strip_prefix(start))
        .map(str::to_owned)
        .collect()
}

/// A state with a root at 0x1000.
pub fn state(levels: u32) -> State {
    State {
        cr3: 0x1000,
        cr4: if levels == 5 { CR4_LA57 } else { 0 },
        pat: PAT,
        ..State::default()
    }
}
