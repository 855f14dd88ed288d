//! The command line of klp-relocs; the work is done in the library beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use klp_relocs::allow::AllowList;
use klp_relocs::convert::convert;
use klp_relocs::symvers::Exports;

/// Turn a linked kernel module into a livepatch that may use unexported kernel symbols.
///
/// Every undefined symbol must be exported (--symvers) or allowed (--allow); the allowed ones become
/// livepatch symbols of vmlinux. Everything that is wrong is listed, and then nothing is written.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Module.symvers of the kernel, and of other modules that this one uses.
    #[arg(long, value_name = "FILE", required = true)]
    symvers: Vec<PathBuf>,
    /// The unexported symbols that the module may use, one a line; # starts a comment.
    #[arg(long, value_name = "FILE")]
    allow: PathBuf,
    /// The module as Kbuild linked it.
    input: PathBuf,
    /// Where to write the livepatch.
    output: PathBuf,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let mut exports = Exports::default();
    for path in &args.symvers {
        let text = read_text(path)?;
        exports.add(&text).with_context(|| shown(path))?;
    }
    let allow = AllowList::parse(&read_text(&args.allow)?).with_context(|| shown(&args.allow))?;
    let input = fs::read(&args.input).with_context(|| shown(&args.input))?;

    let converted = match convert(&input, &exports, &allow) {
        Ok(converted) => converted,
        Err(problems) => {
            for problem in problems {
                eprintln!("klp-relocs: {}: {problem}", args.input.display());
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    fs::write(&args.output, &converted.image).with_context(|| shown(&args.output))?;
    for name in &converted.null_weak {
        eprintln!("klp-relocs: note: nobody exports {name}; as a weak symbol it will be null");
    }
    println!(
        "{}: {} livepatch symbols, {} livepatch relocations",
        args.output.display(),
        converted.symbols.len(),
        converted.relocations
    );
    Ok(ExitCode::SUCCESS)
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| shown(path))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
