//! A picture: the memory map, the pages and the tables side by side, the lowest address on top.
//!
//! ```text
//!   memory map   | address |  pages ................  PT    PD    PDPT  PML4
//!   +----------+ 0         +-------------+-----+-----+-----+-----+
//!   | usable   |           |  4 KiB      | PT  |     |     |     |
//!   +----------+ 0x100000  +-------------+-----+ PD  |     |     |
//!   |          |           |  2 MiB            |     |PDPT |PML4 |
//!   | usable   | 0x...     +-------------------+-----+     |     |
//!   |          |           |  1 GiB                  |     |     |
//! ```
//!
//! The address axis is broken: it is a column of *bands* ([`bands`]), and what a band takes grows
//! with the logarithm of its bytes ([`scale`]). So the first page can be read beside the last
//! GiB. Everything else is drawn where its addresses are. A page reaches over the columns of the
//! tables that it does without, and so touches the table that its entry is in.

mod axis;
mod bands;
mod canvas;
mod header;
mod lane;
mod memory_lane;
mod page_lane;
mod palette;
mod scale;
mod spans;
mod table_columns;
mod table_pages;
mod units;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use canvas::Canvas;
use scale::Scale;

use crate::report::Report;

/// Where the columns are, in px (SVG's user units) from the left.
mod column {
    /// The outer margin.
    pub(super) const MARGIN: f64 = 24.0;
    /// What the memory map says, and how wide the column is.
    pub(super) const MEMORY: f64 = MARGIN;
    pub(super) const MEMORY_WIDTH: f64 = 200.0;
    /// The addresses between the two lanes.
    pub(super) const AXIS: f64 = MEMORY + MEMORY_WIDTH;
    pub(super) const AXIS_WIDTH: f64 = 160.0;
    /// The pages.
    pub(super) const PAGES: f64 = AXIS + AXIS_WIDTH;
    pub(super) const PAGES_WIDTH: f64 = 206.0;
    /// The page tables; each level takes `TABLE_WIDTH`.
    pub(super) const TABLES: f64 = PAGES + PAGES_WIDTH;
    pub(super) const TABLE_WIDTH: f64 = 68.0;
}

/// Writes the report.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(picture(report).as_bytes())
}

/// The whole document.
fn picture(report: &Report) -> String {
    let pieces = spans::pieces(&report.leaf_runs);
    let bands = bands::bands(spans::spans(&report.entries, &pieces));
    let levels = table_pages::levels(&report.leaf_runs, report.paging);
    let scale = Scale::new(bands.iter().map(|band| band.range), header::HEIGHT);
    let width = column::TABLES + column::TABLE_WIDTH * levels.len() as f64 + column::MARGIN;

    let mut canvas = Canvas::default();
    header::draw(&mut canvas, report, &levels, width);
    axis::draw(&mut canvas, &scale, width);
    memory_lane::draw(&mut canvas, &scale, &bands, &report.entries);
    page_lane::draw(&mut canvas, &scale, &bands, &pieces);
    table_columns::draw(&mut canvas, &scale, &levels);
    let height = header::footer(&mut canvas, scale.bottom());
    canvas.finish(width, height, &header::summary(report))
}
