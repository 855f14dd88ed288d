//! Reads page tables of four levels as a processor does (Intel SDM vol. 3, 4.5).

use anyhow::{ensure, Context, Result};
use rkexec::addr::{Addr, PAGE_SIZE};
use rkexec::identity::Table;
use rkexec::range::{MaRange, Range};

const PRESENT: u64 = 0x01;
const LARGE: u64 = 0x80;
/// Write-through and cache-disable: either makes the memory anything but write-back.
const NOT_WRITE_BACK: u64 = 0x18;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The bits of an address that tell the entry, by the level of the table, the last level first.
const SHIFTS: [u32; 4] = [12, 21, 30, 39];

/// The ranges that the tables map write-back, in order, neighbours merged.
///
/// The address of a table is that of its memory in this process; the first one is the root. Fails if
/// it is no identity map, or something points outside of `tables`.
pub fn write_back(tables: &[Table]) -> Result<Vec<MaRange>> {
    let mut walk = Walk {
        tables,
        found: Vec::new(),
    };
    walk.descend(0, SHIFTS.len() - 1, 0)?;
    Ok(walk.found)
}

struct Walk<'a> {
    tables: &'a [Table],
    found: Vec<MaRange>,
}

impl Walk<'_> {
    /// Reads table number `index`, which is of this level and begins at `base`.
    fn descend(&mut self, index: usize, level: usize, base: u64) -> Result<()> {
        let table = self.tables.get(index).context("a table that is none")?;
        for (number, &entry) in (0_u64..).zip(table.entries()) {
            let address = base + (number << SHIFTS[level]);
            if entry & PRESENT == 0 {
                continue;
            }
            if level > 0 && entry & LARGE == 0 {
                let offset = (entry & ADDRESS).checked_sub(self.tables.as_ptr().addr() as u64);
                let index = offset.context("a table below all others")? / PAGE_SIZE;
                self.descend(usize::try_from(index)?, level - 1, address)?;
                continue;
            }
            ensure!(entry & ADDRESS == address, "{address:#x} is at {entry:#x}");
            if entry & NOT_WRITE_BACK == 0 {
                self.add(address, 1 << SHIFTS[level])?;
            }
        }
        Ok(())
    }

    fn add(&mut self, start: u64, bytes: u64) -> Result<()> {
        let start = Addr::new(start).context("an address beyond all memory")?;
        let page = Range::from_len(start, bytes).context("a page beyond all memory")?;
        match self.found.last_mut() {
            Some(last) if last.end() == page.start() => {
                *last = Range::new(last.start(), page.end()).unwrap_or(*last);
            }
            _ => self.found.push(page),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ours;
    use formats::e820;
    use rkexec::identity::Attr;

    #[test]
    fn what_rkexec_builds_is_read_back() {
        let maps = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rust/tests/e820");
        for machine in e820::folder(maps.as_ref()).expect("the maps") {
            let (name, entries) = (machine.name, machine.entries);
            let (nr, leaf_runs) = ours::plan(&entries).expect("a plan");
            let mut tables = vec![Table::EMPTY; nr];
            let mut scratch = ours::scratch(entries.len());
            let runs = ours::runs(&entries, &mut scratch).expect("runs");
            assert_eq!(ours::fill(runs, &mut tables).expect("tables"), nr, "{name}");
            let read = write_back(&tables).expect("an identity map");
            let leaves = leaf_runs.iter().filter(|run| run.attr == Attr::WriteBack);
            let bytes: u64 = leaves.map(|run| run.range.len_bytes()).sum();
            let found: u64 = read.iter().map(|range| range.len_bytes()).sum();
            assert_eq!(found, bytes);
            assert!(read.windows(2).all(|pair| pair[0].end() < pair[1].start()));
        }
    }

    #[test]
    fn an_empty_root_maps_nothing_and_no_root_is_an_error() {
        assert!(write_back(&[]).is_err());
        assert!(write_back(&[Table::EMPTY]).expect("nothing").is_empty());
    }
}
