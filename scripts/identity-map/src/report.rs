//! What there is to show, whatever the format.

use anyhow::{anyhow, Result};
use rkexec::identity::{leaf_runs, table_count, BuildError, LeafRun, Mark, Paging, Sources};
use rkexec::memmap::MapEntry;

/// The identity map of one machine.
pub struct Report {
    /// What to call the machine.
    pub title: String,
    /// The memory map, as it came.
    pub entries: Vec<MapEntry>,
    /// The shape of the tables.
    pub paging: Paging,
    /// The pages, from the lowest address up.
    pub leaf_runs: Vec<LeafRun>,
    /// How many pages the tables take.
    pub nr_tables: usize,
}

impl Report {
    /// Works out the map.
    ///
    /// # Errors
    ///
    /// There is memory that so few levels cannot reach.
    pub fn new(title: String, entries: Vec<MapEntry>, paging: Paging) -> Result<Self> {
        let mut scratch = vec![Mark::default(); Sources::marks_needed(entries.len())];
        let mut sources = Sources::new(&mut scratch)?;
        for &entry in &entries {
            sources.add_entry(entry)?;
        }
        let runs = sources.runs();
        let nr_tables = table_count(runs, paging).map_err(|error| match error {
            BuildError::BeyondLevels { .. } => anyhow!("{error}; --la57 builds five"),
            _ => error.into(),
        })?;
        let leaf_runs = leaf_runs(runs, paging).collect();
        Ok(Self {
            title,
            entries,
            paging,
            leaf_runs,
            nr_tables,
        })
    }
}
