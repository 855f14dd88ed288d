//! A run of many tests: at most two machines at a time, the results as TAP ([`crate::tap`]).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{ensure, Result};
use clap::Args;
use regex::Regex;

use crate::assets::{Assets, Files};
use crate::attempts;
use crate::cases::{Abi, Case, Needs};
use crate::run_case::Skipped;
use crate::tap::Tap;
use crate::xen_build::{has_v1, XenBuild};

/// Which tests, and how.
#[derive(Args)]
pub struct TestArgs {
    /// Only the tests whose name matches this regular expression [default: all; with --xen those that
    /// run on that Xen].
    #[arg(long, value_name = "REGEX")]
    filter: Option<Regex>,
    /// List them and stop.
    #[arg(long)]
    list: bool,
    /// Machines at a time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    jobs: u8,
    /// Where the serial logs go.
    #[arg(long, default_value = ".build/vm/test", value_name = "DIR")]
    output: PathBuf,
    /// Keep what the machines booted from, too.
    #[arg(long)]
    keep: bool,
    /// Be this much more patient, on a slow machine.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    timeout_factor: u64,
}

/// Runs the tests, or those that are wanted of them. True if all of them passed.
///
/// # Errors
///
/// They cannot be run.
pub fn run(cases: Vec<Case>, assets: &Assets, args: &TestArgs) -> Result<bool> {
    let wanted = |case: &Case| match &args.filter {
        Some(filter) => filter.is_match(case.name),
        // It is about the Xen that the user has brought.
        None if assets.has_given_xen() => case.machine.xen() == Some(XenBuild::Main),
        None => true,
    };
    let mut cases: Vec<Case> = cases.into_iter().filter(wanted).collect();
    if args.list {
        for case in &cases {
            println!("{}", case.name);
        }
        return Ok(true);
    }
    ensure!(!cases.is_empty(), "no test has such a name");
    // The longest first, so that no processor has nothing to do at the end.
    cases.sort_by_key(|case| std::cmp::Reverse(case.seconds));
    let builds = cases.iter().filter_map(|case| case.machine.xen()).collect();
    let mut files = assets.prepare(&args.output, &builds)?;
    if cases.iter().any(|case| case.needs == Needs::Selftests) {
        files.add_selftests(assets)?;
    }
    ensure!(
        files.has_module,
        "{} is missing: nothing can be tested",
        assets.ko().display()
    );

    let tap = Tap::begin(cases.len(), &args.output);
    for_each(cases, args.jobs, |case| one(&case, &files, args, &tap));
    let all_passed = tap.end();
    if !args.keep {
        files.remove()?;
    }
    Ok(all_passed)
}

/// Does `work` with each of the items, in order, `jobs` of them at a time.
pub fn for_each<T: Send>(items: Vec<T>, jobs: u8, work: impl Fn(T) + Sync) {
    let queue = Mutex::new(VecDeque::from(items));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| loop {
                // The queue is free again before the work begins.
                let next = queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                let Some(item) = next else { break };
                work(item);
            });
        }
    });
}

fn one(case: &Case, files: &Files, args: &TestArgs, tap: &Tap) {
    let files = match files_for(case, files) {
        Ok(files) => files,
        Err(missing) => return tap.skip(case.name, &missing),
    };
    let log = args.output.join(format!("{}.log", slug(case.name)));
    let started = Instant::now();
    let result = attempts::run(case, &files, &log, args.timeout_factor, &mut ());
    match result.as_ref().err().and_then(|error| error.downcast_ref()) {
        Some(Skipped(missing)) => tap.skip(case.name, missing),
        None => tap.result(case.name, &result, started.elapsed(), &log),
    }
}

/// The files for a test, or what is missing for it.
fn files_for<'a>(case: &Case, files: &'a Files) -> Result<Cow<'a, Files>, String> {
    for piece in case.pieces() {
        files.need(piece)?;
    }
    let xen = case.machine.xen().and_then(|build| files.xen(build));
    if xen.is_some_and(|xen| case.abi() == Some(Abi::V1) && !has_v1(xen.version)) {
        return Err("kexec interface V1, which newer versions of Xen do not have".to_owned());
    }
    let own = match case.needs {
        Needs::Selftests => files.with_selftests(),
        Needs::Nothing | Needs::XenTools => None,
    };
    Ok(own.map_or(Cow::Borrowed(files), Cow::Owned))
}

/// A name as the name of a file.
fn slug(name: &str) -> String {
    let words = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::Duration;

    use super::*;

    #[test]
    fn as_many_run_at_a_time_as_were_asked_for() {
        for jobs in [1, 2] {
            let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            for_each(vec![(); 6], jobs, |()| {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                thread::sleep(Duration::from_millis(50));
                running.fetch_sub(1, SeqCst);
            });
            assert_eq!(most.into_inner(), usize::from(jobs));
        }
    }

    #[test]
    fn a_name_becomes_a_file_name() {
        assert_eq!(slug("dom0: over Xen, 40 MB"), "dom0-over-xen-40-mb");
    }
}
