//! `START END SIZE ATTR`, a line for each run of equal pages, and the number of table pages.

use std::io::{self, Write};

use super::last_byte;
use crate::report::Report;

/// Writes the report. Addresses look as they do in a memory map.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for run in &report.leaf_runs {
        let start = run.range.start().raw();
        let last = last_byte(run);
        writeln!(out, "{start:016x} {last:016x} {} {}", run.size, run.attr)?;
    }
    writeln!(out, "table pages: {}", report.nr_tables)
}
