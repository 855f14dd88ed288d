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
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use formats::e820;
use rkexec::identity::{Levels, Paging};

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
    let machines = e820::folder(&args.maps)?;
    eprintln!("{} machines, up to a second for each ...", machines.len());
    for machine in machines {
        rows.push(Row::measure(&machine, &linux).context(machine.name)?);
    }
    rows.sort_by_key(|row| row.ram_bytes);
    let table = table::table(&rows);
    print!("{table}");
    let text = args.out.join("identity-map.txt");
    let picture = args.out.join("identity-map.svg");
    fs::write(&text, table).with_context(|| text.display().to_string())?;
    plot::draw(&rows, &picture)?;
    println!("The same as a plot: {}", picture.display());
    Ok(())
}
