//! A page walker of its own: what a processor would make of the tables.
//!
//! It shares nothing with the code under test. The bits are spelled out again, from the manual
//! (Intel SDM vol. 3, 4.5), and it is stricter than a processor: whatever an identity map has no
//! use for is an error.

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
fn decode(entry: u64, level: u32) -> Result<Seen, String> {
    let page_bytes = 1u64 << (12 + 9 * (level - 1));
    if entry == 0 {
        return Ok(Seen::Nothing);
    }
    let is_page = level == 1 || entry & LARGE != 0;
    let address = entry & 0x000f_ffff_ffff_f000;
    let rest = entry ^ address;
    if entry & PRESENT == 0 {
        return Err(format!(
            "level {level}: not present, but not zero: {entry:#x}"
        ));
    }
    if !is_page {
        return if rest == TABLE {
            Ok(Seen::Table(address))
        } else {
            Err(format!("level {level}: odd bits for a table: {entry:#x}"))
        };
    }
    if level > 3 {
        return Err(format!("level {level}: no page is that large: {entry:#x}"));
    }
    if address % page_bytes != 0 {
        return Err(format!("level {level}: reserved address bits: {entry:#x}"));
    }
    let mark = if level == 1 { 0 } else { LARGE };
    match rest ^ mark {
        PAGE => Ok(Seen::Page(address, false)),
        bits if bits == PAGE | UNCACHED => Ok(Seen::Page(address, true)),
        _ => Err(format!("level {level}: odd bits for a page: {entry:#x}")),
    }
}

impl Walker<'_> {
    fn table(&self, address: u64) -> Result<&[u64; 512], String> {
        self.memory
            .get(&address)
            .copied()
            .ok_or_else(|| format!("no table at {address:#x}"))
    }

    /// All pages, in the order of their virtual addresses, and the addresses of all tables.
    pub fn walk(&self) -> Result<(Vec<Leaf>, BTreeSet<u64>), String> {
        let mut leaves = Vec::new();
        let mut tables = BTreeSet::new();
        self.descend(self.cr3, self.levels, 0, &mut leaves, &mut tables)?;
        Ok((leaves, tables))
    }

    fn descend(
        &self,
        address: u64,
        level: u32,
        base: u64,
        leaves: &mut Vec<Leaf>,
        tables: &mut BTreeSet<u64>,
    ) -> Result<(), String> {
        if !tables.insert(address) {
            return Err(format!("the table at {address:#x} is linked twice"));
        }
        let bytes = 1u64 << (12 + 9 * (level - 1));
        let mut empty = true;
        for (index, &entry) in self.table(address)?.iter().enumerate() {
            let virt = base + index as u64 * bytes;
            match decode(entry, level)? {
                Seen::Nothing => continue,
                Seen::Table(next) => self.descend(next, level - 1, virt, leaves, tables)?,
                Seen::Page(phys, uncached) => leaves.push(Leaf {
                    virt,
                    phys,
                    bytes,
                    uncached,
                }),
            }
            empty = false;
        }
        if empty && address != self.cr3 {
            return Err(format!("the table at {address:#x} is empty"));
        }
        Ok(())
    }

    /// The page that a processor would find for `virt`.
    pub fn translate(&self, virt: u64) -> Result<Option<Leaf>, String> {
        let width = 12 + 9 * self.levels;
        // Not canonical, or canonical by its sign: in the upper half.
        if virt >> (width - 1) != 0 {
            return Ok(None);
        }
        let mut address = self.cr3;
        for level in (1..=self.levels).rev() {
            let shift = 12 + 9 * (level - 1);
            match decode(self.table(address)?[(virt >> shift) as usize % 512], level)? {
                Seen::Nothing => return Ok(None),
                Seen::Table(next) => address = next,
                Seen::Page(phys, uncached) => {
                    return Ok(Some(Leaf {
                        virt: virt >> shift << shift,
                        phys,
                        bytes: 1 << shift,
                        uncached,
                    }))
                }
            }
        }
        unreachable!("the last level has no tables below it")
    }
}
