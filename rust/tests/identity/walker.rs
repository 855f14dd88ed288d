//! A page walker of its own: what a processor would make of the tables.
//!
//! It shares nothing with the code under test. The bits are spelled out again, from the manual
//! (Intel SDM vol. 3, 4.5), and it is stricter than a processor: whatever an identity map has no
//! use for ends the test.

use std::collections::{BTreeMap, BTreeSet};

/// One mapped page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    pub virt: u64,
    pub phys: u64,
    pub bytes: u64,
    pub uncached: bool,
}

/// Physical memory as far as it holds tables, and where the walk starts.
pub struct Walker<'a> {
    /// The tables by their address.
    pub memory: BTreeMap<u64, &'a [u64; 512]>,
    pub cr3: u64,
    pub levels: u32,
}

const PRESENT: u64 = 0x1;
const LARGE: u64 = 0x80;
/// Present, writable, accessed.
const TABLE: u64 = 0x23;
/// Present, writable, accessed, dirty.
const PAGE: u64 = 0x63;
/// Write-through and cache-disable: entry 3 of the PAT.
const UNCACHED: u64 = 0x18;

enum Seen {
    Nothing,
    Table(u64),
    Page(u64, bool),
}

/// Reads one entry of a table at `level` (1 is the last).
fn decode(entry: u64, level: u32) -> Seen {
    let address = entry & 0x000f_ffff_ffff_f000;
    let rest = entry ^ address;
    let page = if level == 1 { rest } else { rest ^ LARGE };
    let why = match level {
        _ if entry == 0 => return Seen::Nothing,
        _ if entry & PRESENT == 0 => "not present, but not zero",
        2.. if rest == TABLE => return Seen::Table(address),
        2.. if entry & LARGE == 0 => "odd bits for a table",
        4.. => "no page is that large",
        _ if address % page_bytes(level) != 0 => "reserved address bits",
        _ if page == PAGE => return Seen::Page(address, false),
        _ if page == PAGE | UNCACHED => return Seen::Page(address, true),
        _ => "odd bits for a page",
    };
    panic!("level {level}: {why}: {entry:#x}")
}

/// What an entry at `level` is about.
fn page_bytes(level: u32) -> u64 {
    1 << (12 + 9 * (level - 1))
}

impl Walker<'_> {
    fn table(&self, address: u64) -> &[u64; 512] {
        let table = self.memory.get(&address);
        table.unwrap_or_else(|| panic!("no table at {address:#x}"))
    }

    /// All pages, in the order of their virtual addresses, and the addresses of all tables.
    pub fn walk(&self) -> (Vec<Leaf>, BTreeSet<u64>) {
        let mut found = (Vec::new(), BTreeSet::new());
        self.descend(self.cr3, self.levels, 0, &mut found);
        found
    }

    fn descend(&self, address: u64, level: u32, base: u64, found: &mut (Vec<Leaf>, BTreeSet<u64>)) {
        assert!(found.1.insert(address), "{address:#x} is linked twice");
        let bytes = page_bytes(level);
        let mut empty = true;
        for (index, &entry) in self.table(address).iter().enumerate() {
            let virt = base + index as u64 * bytes;
            match decode(entry, level) {
                Seen::Nothing => continue,
                Seen::Table(next) => self.descend(next, level - 1, virt, found),
                Seen::Page(phys, uncached) => found.0.push(Leaf {
                    virt,
                    phys,
                    bytes,
                    uncached,
                }),
            }
            empty = false;
        }
        assert!(!empty || address == self.cr3, "{address:#x} is empty");
    }

    /// The page that a processor would find for `virt`.
    pub fn translate(&self, virt: u64) -> Option<Leaf> {
        // Not canonical, or canonical by its sign: in the upper half.
        if virt >> (12 + 9 * self.levels - 1) != 0 {
            return None;
        }
        let mut address = self.cr3;
        for level in (1..=self.levels).rev() {
            let bytes = page_bytes(level);
            match decode(self.table(address)[(virt / bytes) as usize % 512], level) {
                Seen::Nothing => return None,
                Seen::Table(next) => address = next,
                Seen::Page(phys, uncached) => {
                    return Some(Leaf {
                        virt: virt / bytes * bytes,
                        phys,
                        bytes,
                        uncached,
                    })
                }
            }
        }
        unreachable!("the last level has no tables below it")
    }
}
