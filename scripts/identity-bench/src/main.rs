//! `identity-bench`: rkexec's builder of identity maps against two others.
//!
//! ```text
//!   ours.rs       rkexec's: the largest pages that map RAM and nothing else
//!   linux.rs      Linux's, as its kexec calls it (linux/: made from the kernel's source package)
//!   four_kib.rs   the same bytes as ours in pages of 4 KiB
//! ```
//!
//! [`contest`] lets them build the map of one machine, checks what came out ([`walk`], [`memory`])
//! and takes the time; [`table`] and [`plot`] show all machines.

mod contest;
mod four_kib;
mod linux;
mod memory;
mod ours;
mod plot;
mod stopwatch;
mod table;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use identity_map::memory_map;
use rkexec::identity::{Levels, Paging};
use rkexec::memmap::MapEntry;

use contest::Row;
use linux::Linux;

/// The shape of all maps: what a server has, and what is kindest to Linux.
const PAGING: Paging = Paging {
    levels: Levels::Four,
    gib_pages: true,
};

/// Compare rkexec's builder of identity maps with Linux's and with a map of 4 KiB pages.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Linux's builder: what linux/build makes.
    #[arg(long, value_name = "LIBRARY")]
    linux: PathBuf,

    /// Where the table and the plot go, beside standard output.
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,

    /// The folder with a memory map for each machine.
    #[arg(value_name = "MAPS")]
    maps: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let linux = Linux::load(&args.linux)?;
    let mut rows = Vec::new();
    let machines = machines(&args.maps)?;
    eprintln!("{} machines, up to a second for each ...", machines.len());
    for (name, entries) in machines {
        rows.push(Row::measure(&name, &entries, &linux).context(name)?);
    }
    rows.sort_by_key(|row| row.ram_bytes);
    let table = table::table(&rows);
    print!("{table}");
    let (text, picture) = (
        args.out.join("identity-map.txt"),
        args.out.join("identity-map.svg"),
    );
    fs::write(&text, table).with_context(|| text.display().to_string())?;
    plot::draw(&rows, &picture)?;
    println!("The same as a plot: {}", picture.display());
    Ok(())
}

/// The name and the memory map of every machine, in the order of the names.
fn machines(folder: &Path) -> Result<Vec<(String, Vec<MapEntry>)>> {
    let mut machines = Vec::new();
    for file in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = file?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let map = fs::read(&path).map_err(Into::into);
        let map = map.and_then(|bytes| memory_map::parse(&bytes));
        machines.push((
            name,
            map.with_context(|| path.display().to_string())?.entries,
        ));
    }
    machines.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(machines)
}
