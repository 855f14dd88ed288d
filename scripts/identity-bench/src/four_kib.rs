//! A map of the same bytes in pages of 4 KiB: what it costs to do without large pages.

use anyhow::{Context, Result};
use rkexec::addr::PAGE_SIZE;
use rkexec::identity::{Attr, LeafRun};

/// The memory of a table.
#[derive(Clone)]
#[repr(C, align(4096))]
pub struct Page([u64; ENTRIES]);

impl Page {
    /// A table that maps nothing.
    pub const EMPTY: Self = Self([0; ENTRIES]);
}

const ENTRIES: usize = 512;

/// What an entry of each level stands for, in bits of the address: from below the root down to
/// the page table.
const SHIFTS: [u32; 3] = [39, 30, 21];

/// Present, writable, accessed; a page is dirty, too.
const TABLE: u64 = 0x23;
const WRITE_BACK: u64 = 0x63;
const UNCACHED: u64 = 0x7b;

/// How many tables it takes, the root included. The runs are in order.
pub fn table_count(leaf_runs: &[LeafRun]) -> u64 {
    let below_root = SHIFTS.iter().map(|shift| {
        let mut next = 0;
        let mut nr = 0;
        for run in leaf_runs {
            let first = (run.range.start().raw() >> shift).max(next);
            next = ((run.range.end().raw() - 1) >> shift) + 1;
            nr += next - first.min(next);
        }
        nr
    });
    1 + below_root.sum::<u64>()
}

/// Fills the first of `tables`, the root first, and returns how many they are.
pub fn identity_map(leaf_runs: &[LeafRun], tables: &mut [Page]) -> Result<usize> {
    let first_table = tables.as_ptr().addr() as u64;
    *tables.first_mut().context("no root")? = Page::EMPTY;
    let mut nr = 1;
    // The table in use on each level, and the end of what it stands for.
    let mut path = [0; SHIFTS.len() + 1];
    let mut ends = [0; SHIFTS.len()];
    for run in leaf_runs {
        let bits = match run.attr {
            Attr::WriteBack => WRITE_BACK,
            Attr::Uncached => UNCACHED,
        };
        let mut rest = run.range.start().raw()..run.range.end().raw();
        while !rest.is_empty() {
            for (depth, shift) in SHIFTS.into_iter().enumerate() {
                if rest.start >= ends[depth] {
                    *tables.get_mut(nr).context("too few tables")? = Page::EMPTY;
                    let slot = (rest.start >> shift) as usize % ENTRIES;
                    tables[path[depth]].0[slot] = (first_table + nr as u64 * PAGE_SIZE) | TABLE;
                    path[depth + 1] = nr;
                    ends[depth] = ((rest.start >> shift) + 1) << shift;
                    nr += 1;
                }
            }
            let pages = rest.start..ends[SHIFTS.len() - 1].min(rest.end);
            rest.start = pages.end;
            let first = (pages.start / PAGE_SIZE) as usize % ENTRIES;
            let entries = tables[path[SHIFTS.len()]].0[first..].iter_mut();
            for (entry, page) in entries.zip(pages.step_by(PAGE_SIZE as usize)) {
                *entry = page | bits;
            }
        }
    }
    Ok(nr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ours;
    use rkexec::memmap::{E820Type, MapEntry};

    #[test]
    fn as_many_tables_as_counted_and_every_page_once() {
        let ram = |start, end| MapEntry {
            start,
            len_bytes: end - start,
            kind_raw: E820Type::Ram.raw(),
        };
        let entries = [
            ram(0, 0xa_0000),
            ram(0x10_0000, 0x1234_5000),
            ram(1 << 39, (1 << 39) + 0x1000),
        ];
        let (_, leaf_runs) = ours::plan(&entries).expect("a plan");
        // 0x124 tables of 2 MiB cannot stand for more than 0x24800000 bytes.
        let nr = table_count(&leaf_runs);
        let page_tables = 0x1234_5000_u64.div_ceil(2 << 20) + 1;
        assert_eq!(nr, 1 + 2 + 2 + page_tables);

        let mut tables = vec![Page::EMPTY; nr as usize];
        let built = identity_map(&leaf_runs, &mut tables).expect("a map");
        assert_eq!(built, nr as usize);
        let entries = tables.iter().flat_map(|table| table.0);
        let pages = entries.filter(|entry| entry & WRITE_BACK == WRITE_BACK);
        let bytes: u64 = leaf_runs.iter().map(|run| run.range.len_bytes()).sum();
        assert_eq!(pages.count() as u64, bytes / PAGE_SIZE);
        assert!(identity_map(&leaf_runs, &mut tables[1..]).is_err());
    }
}
