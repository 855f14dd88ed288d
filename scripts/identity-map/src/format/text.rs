//! `START END SIZE ATTR`, a line for each run of equal pages, and the number of table pages.

use std::io::{self, Write};

use crate::report::Report;

/// Writes the report, in the notation of [`LeafRun`](rkexec::identity::LeafRun).
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for run in &report.leaf_runs {
        writeln!(out, "{run}")?;
    }
    writeln!(out, "table pages: {}", report.nr_tables)
}
