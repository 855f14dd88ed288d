//! `rkexec-status`: whether rkexec is at work on this machine, and what to do if it is not.
//!
//! What the user says; all else is in the library (`lib.rs`).

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use rkexec_status::boot::{self, Verdict};
use rkexec_status::facts::Facts;
use rkexec_status::root::Root;

/// Tell whether rkexec is at work on this machine, what is loaded, and what to do about what is wrong.
///
/// Root sees more than others: the kernel's log, and Xen's kexec interface.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit status: 0 if rkexec is loaded and nothing is wrong (with --boot: nothing is missing that depends on it); 1 if not; 2 if the options are wrong."
)]
struct Args {
    /// The same as JSON
    #[arg(long)]
    json: bool,
    /// One line, for rkexec.service: fail if rkexec is not loaded in a dom0 where kdump-tools or kexec-tools are set up to
    /// load something, or where it was to be loaded and was refused
    #[arg(long, conflicts_with = "json")]
    boot: bool,
    /// The root directory of the system
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rkexec-status: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
fn run(args: &Args) -> Result<bool> {
    let facts = Facts::find(&Root::new(args.root.clone()));
    if args.boot {
        return Ok(match boot::verdict(&facts) {
            Verdict::Good(text) => {
                say(&text)?;
                true
            }
            Verdict::Bad(text) => {
                eprintln!("rkexec-status: {text}");
                false
            }
        });
    }
    match args.json {
        true => say(&serde_json::to_string_pretty(&facts)?)?,
        false => say(facts.to_string().trim_end())?,
    }
    Ok(facts.well)
}

/// On standard output, which may be a pipe that nobody reads any more.
fn say(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").context("standard output")
}
