//! `handover-gate ELF FLAT`: the gates between the linked hand-over and everybody who uses it.

use std::fs;
use std::path::PathBuf;

use anyhow::{bail, Context, Result};
use clap::Parser;
use handover_gate::flatten;

/// Checks the linked hand-over and writes it as a flat file.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The program, as the linker wrote it.
    elf: PathBuf,
    /// The file to write. One that is the same already is left alone, so that nothing that
    /// depends on it is built again.
    flat: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let elf = fs::read(&args.elf).with_context(|| format!("cannot read {}", args.elf.display()))?;
    let blob = match flatten(&elf) {
        Ok(blob) => blob,
        Err(wrong) => {
            for what in wrong {
                eprintln!("{}: {what}", args.elf.display());
            }
            // The one from before is not what the sources say any more.
            let _ = fs::remove_file(&args.flat);
            bail!("the hand-over did not pass its gates");
        }
    };
    if fs::read(&args.flat).ok().as_ref() != Some(&blob.flat) {
        fs::write(&args.flat, &blob.flat)
            .with_context(|| format!("cannot write {}", args.flat.display()))?;
    }
    println!(
        "{}: {} pages, of them {} bytes stack",
        args.flat.display(),
        blob.flat.len() / 4096,
        blob.stack
    );
    Ok(())
}
