//! `vm soak`: load, boot, and again, in all ways by turns. It goes on where it was left.

mod journal;
mod report;
mod way;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use libtest_mimic::Arguments;

use crate::assets::{Assets, Files};
use crate::attempts::{self, SECOND};
use crate::linux_build::LinuxBuild;
use crate::suite::Suite;
use crate::xen_build::XenBuild;
use journal::{Entry, Journal};
use way::{Parts, Way, XEN};

/// How long, and how.
#[derive(Args)]
pub struct SoakArgs {
    /// Cycles of load and boot, in all: those that the journal has belong to them.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cycles: u32,
    /// What has become of each.
    #[arg(long, value_name = "FILE", default_value = ".build/soak/journal")]
    journal: PathBuf,
    /// Begin anew: forget what the journal has.
    #[arg(long)]
    anew: bool,
    /// Do only this one, such as one that has failed, and write nothing down.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    only: Option<u32>,
    /// No more than so many at this time.
    #[arg(long, value_name = "N")]
    now: Option<usize>,
    /// What is tested, for the journal.
    #[arg(long, value_name = "VERSION", default_value = "unknown")]
    of: String,
    #[command(flatten, next_help_heading = "As of Rust's test programs")]
    libtest: Arguments,
}

/// What cycle `number` does: in as many cycles as there are ways each has its turn.
fn turn(number: u32, ways: &[Way]) -> Option<Way> {
    let index = (number as usize).checked_sub(1)?;
    ways.get(index.checked_rem(ways.len())?).copied()
}

pub fn run(assets: &Assets, args: &SoakArgs) -> Result<bool> {
    let wanted = match assets.has_given_xen() {
        true => vec![XenBuild::Main],
        false => XEN.to_vec(),
    };
    let files = assets.prepare("soak", 2, wanted.iter().copied())?;
    files.need_module()?;
    files.add_linux(LinuxBuild::Second)?;
    let mut missing = Vec::new();
    let ways = Parts::of(&files, &wanted, &mut missing).ways();
    for why in missing {
        println!("without {why}");
    }
    let files = Arc::new(files);
    let all_passed = match args.only {
        Some(number) => only(number, &ways, &files, args)?,
        None => all(&ways, &files, args)?,
    };
    files.remove()?;
    Ok(all_passed)
}

/// Does one of them.
fn only(number: u32, ways: &[Way], files: &Arc<Files>, args: &SoakArgs) -> Result<bool> {
    let mut suite = Suite::new(&files.output);
    if let Some(way) = turn(number, ways) {
        let (title, log, case) = (title(number, way), log(number), way.case());
        let files = files.with_linux(way.linux);
        suite.add(&title, &log, move |log| {
            attempts::run(&case, &files, log, &mut |_, _| ())
        });
    }
    suite.run(&args.libtest)
}

/// Does those that the journal has not. True if none has failed, those in the journal included.
fn all(ways: &[Way], files: &Arc<Files>, args: &SoakArgs) -> Result<bool> {
    let journal = Journal::open(&args.journal, args.anew)?;
    let left: Vec<_> = (1..=args.cycles)
        .filter(|number| !journal.has(*number))
        .take(args.now.unwrap_or(usize::MAX))
        .collect();
    let journal = Arc::new(Mutex::new(journal));
    let mut suite = Suite::new(&files.output);
    for (number, way) in left.iter().filter_map(|it| Some((*it, turn(*it, ways)?))) {
        let (files, journal) = (files.with_linux(way.linux), Arc::clone(&journal));
        let version = args.of.clone();
        suite.add(&title(number, way), &log(number), move |log| {
            let started = Instant::now();
            let result = attempts::run(&way.case(), &files, log, &mut |_, _| ());
            let twice = |notes: &Vec<String>| notes.iter().any(|it| it.starts_with(SECOND));
            let entry = Entry {
                cycle: number,
                group: way.group(),
                call: way.call.name().to_owned(),
                version,
                seconds: started.elapsed().as_secs_f64(),
                twice: result.as_ref().is_ok_and(twice),
                failed: result.as_ref().err().map(|error| format!("{error:#}")),
            };
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.add(entry)?;
            result
        });
    }
    if !left.is_empty() {
        suite.run(&args.libtest)?;
    }
    let journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
    let entries = journal.until(args.cycles);
    println!("{}", report::table(&entries));
    let picture = args.journal.with_extension("svg");
    report::draw(&entries, &picture)?;
    println!("the times as a picture: {}", picture.display());
    let to_do = (args.cycles as usize).saturating_sub(entries.len());
    if to_do > 0 {
        println!("{to_do} cycles are left: the same command goes on");
    }
    Ok(entries.iter().all(|it| it.failed.is_none()))
}

fn title(number: u32, way: Way) -> String {
    format!("cycle {number}: {}", way.title())
}

fn log(number: u32) -> String {
    format!("cycle-{number}")
}
