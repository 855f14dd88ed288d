//! One JSON object. Its names are an interface: add to them, do not change them.
//!
//! Addresses are numbers. They have at most 52 bits, which every JSON reader keeps exactly.

use std::io::{self, Write};

use rkexec::identity::LeafRun;
use serde::Serialize;

use super::last_byte;
use crate::report::Report;

#[derive(Serialize)]
struct Document {
    levels: usize,
    gib_pages: bool,
    leaves: Vec<Leaves>,
    table_pages: usize,
}

/// A run of equal pages.
#[derive(Serialize)]
struct Leaves {
    start: u64,
    end: u64,
    size: String,
    attr: String,
}

impl From<&LeafRun> for Leaves {
    fn from(run: &LeafRun) -> Self {
        Self {
            start: run.range.start().raw(),
            end: last_byte(run),
            size: run.size.to_string(),
            attr: run.attr.to_string(),
        }
    }
}

/// Writes the report.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        levels: report.paging.levels.number(),
        gib_pages: report.paging.gib_pages,
        leaves: report.leaf_runs.iter().map(Leaves::from).collect(),
        table_pages: report.nr_tables,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
