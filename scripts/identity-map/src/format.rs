//! The ways to show a [`Report`]: one file each.

mod json;
mod svg;
mod text;

use std::io::{self, Write};

use clap::ValueEnum;
use rkexec::identity::LeafRun;

use crate::report::Report;

/// A way to show it.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Format {
    /// Lines, for people and for other commands.
    #[default]
    Text,
    /// One object, for programs.
    Json,
    /// A picture, for people.
    Svg,
}

impl Format {
    /// Writes the whole report.
    pub fn write(self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Text => text::write(report, out),
            Self::Json => json::write(report, out),
            Self::Svg => svg::write(report, out),
        }
    }
}

/// The last byte of a run. There is one: a run is never empty.
fn last_byte(run: &LeafRun) -> u64 {
    run.range.end().raw() - 1
}
