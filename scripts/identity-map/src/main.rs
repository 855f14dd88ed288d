//! `identity-map`: shows the identity map that rkexec builds for a machine.
//!
//! `report.rs` puts a machine's memory map through the same code that the module runs, and below
//! `format.rs` there is a file for each way to show what comes out.

mod format;
mod report;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use formats::e820;
use rkexec::identity::{Levels, Paging};

use format::Format;
use report::Report;

/// Show the identity map that rkexec builds for a machine's memory map.
///
/// The memory map has a line for each entry, in any order:
///
///     START END TYPE
///
/// START and END (the last byte, not the one after it) are hexadecimal. TYPE is what the kernel's
/// and Xen's logs say: usable, reserved, ACPI data, ACPI NVS, unusable, persistent, soft
/// reserved, or `type N`. Empty lines and what follows a # do not count.
///
/// What comes out has a line for each run of equal pages
///
///     START END SIZE ATTR
///
/// with SIZE 4K, 2M or 1G and ATTR WB (write-back) or UC (uncached), and then the number of table
/// pages that hold the map. RAM, ACPI data and ACPI NVS are mapped write-back, A0000 to FFFFF is
/// mapped uncached.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Args {
    /// Do without pages of 1 GiB, as on a processor that does not have them.
    #[arg(long = "no-1g")]
    no_1g: bool,

    /// Build five levels of tables, as on a processor that runs with CR4.LA57 set. Four levels
    /// reach 128 TiB.
    #[arg(long)]
    la57: bool,

    /// How to show it: as lines, as JSON (addresses are numbers, and END is the last byte too), or
    /// as a picture, an SVG document.
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// What to call the machine in a picture: the last one counts; without any, as its file.
    #[arg(long, value_name = "NAME", overrides_with = "title")]
    title: Option<String>,

    /// The file with the memory map; `-` reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Args {
    fn paging(&self) -> Paging {
        Paging {
            levels: if self.la57 {
                Levels::Five
            } else {
                Levels::Four
            },
            gib_pages: !self.no_1g,
        }
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("identity-map: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let (name, bytes) = read(&args.file)?;
    let map = e820::parse(&bytes).with_context(|| name.clone())?;
    for warning in &map.warnings {
        eprintln!("identity-map: {name}: {warning}");
    }
    let title = args.title.clone().unwrap_or_else(|| title(&args.file));
    let report = Report::new(title, map.entries, args.paging()).context(name)?;
    match write(&report, args.format) {
        // Whoever reads this has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output"),
    }
}

/// The machine's name, after its file; standard input has none.
fn title(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or(file.as_os_str());
    match stem.to_str() {
        Some("-") => "Identity map".into(),
        _ => stem.to_string_lossy().into(),
    }
}

/// The contents of the file, and what to call it in a message.
fn read(file: &Path) -> Result<(String, Vec<u8>)> {
    if file.as_os_str() == OsStr::new("-") {
        let mut bytes = Vec::new();
        let name = "standard input";
        io::stdin().read_to_end(&mut bytes).context(name)?;
        return Ok((name.into(), bytes));
    }
    let name = file.display().to_string();
    let bytes = fs::read(file).with_context(|| name.clone())?;
    Ok((name, bytes))
}

fn write(report: &Report, format: Format) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    format.write(report, &mut out)?;
    out.flush()
}
