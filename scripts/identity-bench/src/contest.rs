//! All builders, one machine.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{ensure, Result};
use formats::e820::Machine;
use rkexec::addr::PAGE_SIZE;
use rkexec::identity::{LeafRun, Table};
use rkexec::memmap::E820Type;
use rkexec::range::MaRange;

use crate::four_kib::{self, Page};
use crate::linux::{Linux, LinuxRange};
use crate::{memory, ours, stopwatch, walk};

/// Tables for Linux: more than any machine needs that has pages of 1 GiB.
const LINUX_TABLES: usize = 4096;

/// A map of 4 KiB pages is built only if its tables are no more than this: 256 MiB.
const MOST_TABLES: u64 = (256 << 20) / 4096;

/// What a builder did.
#[derive(Clone, Copy, Debug)]
pub struct Built {
    pub nr_tables: u64,
    pub time: Duration,
    /// Bytes that are mapped write-back though the memory map does not call them memory.
    pub outside_bytes: u64,
}

/// The map of 4 KiB pages.
#[derive(Clone, Copy, Debug)]
pub struct FourKib {
    pub nr_tables: u64,
    /// How long it took, if it was built.
    pub time: Option<Duration>,
}

/// A machine and what the builders made of it.
pub struct Row {
    pub name: String,
    /// What its memory map calls usable.
    pub ram_bytes: u64,
    pub nr_entries: usize,
    pub ours: Built,
    /// What filling the tables takes of that time: it is what Linux does.
    pub fill_time: Duration,
    pub linux: Built,
    /// The same bytes as ours in pages of 4 KiB.
    pub four_kib: FourKib,
}

impl FourKib {
    fn measure(leaf_runs: &[LeafRun]) -> Result<Self> {
        let nr_tables = four_kib::table_count(leaf_runs);
        let mut row = Self {
            nr_tables,
            time: None,
        };
        if nr_tables > MOST_TABLES {
            return Ok(row);
        }
        let mut tables = vec![Page::EMPTY; usize::try_from(nr_tables)?];
        let [time] = stopwatch::medians([&mut || {
            let nr = four_kib::identity_map(black_box(leaf_runs), &mut tables)?;
            ensure!(nr as u64 == nr_tables, "{nr} tables, not {nr_tables}");
            black_box(&tables);
            Ok(())
        }])?;
        row.time = Some(time);
        Ok(row)
    }
}

impl Row {
    /// Lets all of them build, and fails if what came out is no identity map.
    pub fn measure(machine: &Machine, linux: &Linux) -> Result<Self> {
        let entries = &machine.entries;
        let memory = memory::memory(entries);
        let (nr_ours, leaf_runs) = ours::plan(entries)?;
        let mut scratch = ours::scratch(entries.len());
        let mut our_tables = vec![Table::EMPTY; nr_ours];
        let ranges = memory::linux_ranges(entries).into_iter();
        let ranges: Vec<LinuxRange> = ranges.map(LinuxRange::from).collect();
        let linux = linux.builder()?;
        let mut linux_tables = vec![Table::EMPTY; LINUX_TABLES];
        let nr_linux = linux.identity_map(&ranges, &mut linux_tables)?;

        let mut sorted = ours::scratch(entries.len());
        let sorted = ours::runs(entries, &mut sorted)?;
        let mut sorted_tables = our_tables.clone();
        let [our_time, fill_time, linux_time] = stopwatch::medians([
            &mut || {
                let runs = ours::runs(black_box(entries), &mut scratch)?;
                ours::fill(runs, &mut our_tables)?;
                black_box(&our_tables);
                Ok(())
            },
            &mut || {
                ours::fill(black_box(sorted), &mut sorted_tables)?;
                black_box(&sorted_tables);
                Ok(())
            },
            &mut || {
                linux.identity_map(black_box(&ranges), &mut linux_tables)?;
                black_box(&linux_tables);
                Ok(())
            },
        ])?;

        let ram = entries.iter().filter(|entry| entry.kind() == E820Type::Ram);
        Ok(Self {
            name: machine.name.clone(),
            ram_bytes: ram.map(|entry| entry.range().len_bytes()).sum(),
            nr_entries: entries.len(),
            ours: Built {
                nr_tables: nr_ours as u64,
                time: our_time,
                outside_bytes: outside_bytes(&our_tables, &memory)?,
            },
            fill_time,
            linux: Built {
                nr_tables: nr_linux as u64,
                time: linux_time,
                outside_bytes: outside_bytes(&linux_tables[..nr_linux], &memory)?,
            },
            four_kib: FourKib::measure(&leaf_runs)?,
        })
    }
}

/// How much the tables map write-back that is no memory. All that is memory must be mapped.
fn outside_bytes(tables: &[Table], memory: &[MaRange]) -> Result<u64> {
    let mapped = walk::write_back(tables)?;
    let pages = memory.iter().map(|range| range.round_in(PAGE_SIZE));
    let missing = memory::bytes_outside(&pages.collect::<Vec<_>>(), &mapped);
    ensure!(missing == 0, "{missing} bytes of memory are not mapped");
    Ok(memory::bytes_outside(&mapped, memory))
}
