//! A run of many tests: at most two machines at a time, the results as TAP.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use clap::Args;
use regex::Regex;

use crate::assets::{Assets, Files};
use crate::cases::{Case, Needs};
use crate::console;
use crate::run_case;

/// Lines of the log that a failed test shows.
const TAIL: usize = 30;

/// Which tests, and how.
#[derive(Args)]
pub struct TestArgs {
    /// Only the tests whose name matches this regular expression.
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
    let wanted = |case: &Case| args.filter.as_ref().is_none_or(|it| it.is_match(case.name));
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

    let started = Instant::now();
    println!("TAP version 13\n1..{}", cases.len());
    let results = Mutex::new(Results::default());
    for_each(cases, args.jobs, |case| one(&case, &files, args, &results));
    let Results {
        passed,
        failed,
        skipped,
    } = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "# {passed} passed, {failed} failed, {skipped} skipped ({} s)",
        started.elapsed().as_secs()
    );
    println!("# the serial logs are in {}", args.output.display());
    if !args.keep {
        files.remove()?;
    }
    Ok(failed == 0)
}

/// Does `work` with each of the items, in order, `jobs` of them at a time.
fn for_each<T: Send>(items: Vec<T>, jobs: u8, work: impl Fn(T) + Sync) {
    let queue = Mutex::new(VecDeque::from(items));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| loop {
                // The queue is free again before the work begins.
                let next = lock(&queue).pop_front();
                let Some(item) = next else { break };
                work(item);
            });
        }
    });
}

#[derive(Default)]
struct Results {
    passed: usize,
    failed: usize,
    skipped: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn one(case: &Case, files: &Files, args: &TestArgs, results: &Mutex<Results>) {
    let files = match files_for(case, files) {
        Ok(files) => files,
        Err(missing) => {
            let mut results = lock(results);
            results.skipped += 1;
            return results.print(&format!("ok {} # SKIP without {missing}\n", case.name));
        }
    };
    let log = args.output.join(format!("{}.log", slug(case.name)));
    let started = Instant::now();
    let result = run_case::run(case, &files, &log, args.timeout_factor, &mut ());
    let text = result_lines(case.name, &result, started.elapsed(), &log);
    let mut results = lock(results);
    match result {
        Ok(_) => results.passed += 1,
        Err(_) => results.failed += 1,
    }
    results.print(&text);
}

/// The files for a test, or what is missing for it.
fn files_for<'a>(case: &Case, files: &'a Files) -> Result<Cow<'a, Files>, String> {
    if let Some(build) = case.machine.xen() {
        if files.xen(build).is_none() {
            return Err(format!(
                "the Xen of {build}, which the archive no longer has"
            ));
        }
    }
    match case.needs {
        Needs::XenTools if !files.has_tools => Err("Xen's own tools (xen-utils)".to_owned()),
        Needs::Nothing | Needs::XenTools => Ok(Cow::Borrowed(files)),
        Needs::Selftests => match files.with_selftests() {
            Some(files) => Ok(Cow::Owned(files)),
            None => Err("Linux's own tests (scripts/kselftests)".to_owned()),
        },
    }
}

impl Results {
    /// Prints the lines of the latest result, with its number.
    fn print(&self, text: &str) {
        let number = self.passed + self.failed + self.skipped;
        let mut out = std::io::stdout().lock();
        // A terminal that is gone is no reason to stop: the exit status still tells.
        let _ = write!(
            out,
            "{}",
            text.replacen("ok ", &format!("ok {number} - "), 1)
        );
        let _ = out.flush();
    }
}

/// The TAP lines of a result, but for its number.
fn result_lines(
    name: &str,
    result: &Result<run_case::Notes>,
    took: Duration,
    log: &Path,
) -> String {
    let seconds = took.as_secs();
    match result {
        Ok(notes) => {
            let mut text = format!("ok {name} ({seconds} s)\n");
            for note in notes {
                text.push_str(&format!("#   {note}\n"));
            }
            text
        }
        Err(error) => {
            let mut text = format!("not ok {name} ({seconds} s)\n#   {error:#}\n");
            for line in tail(log).unwrap_or_else(|error| vec![format!("{error:#}")]) {
                text.push_str(&format!("#   | {line}\n"));
            }
            text.push_str(&format!("#   the log: {}\n", log.display()));
            text
        }
    }
}

/// The lines of a log that a failure shows.
fn tail(log: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(log).with_context(|| log.display().to_string())?;
    let lines = bytes.split(|byte| *byte == b'\n').map(console::clean);
    Ok(excerpt(lines.filter(|line| !line.is_empty()).collect()))
}

/// The last lines up to the first test of the guest that failed, or up to the end.
fn excerpt(lines: Vec<String>) -> Vec<String> {
    // The reason is on the line behind it.
    let failed = lines
        .iter()
        .position(|line| line.contains("vmtest: not ok"));
    let end = failed.map_or(lines.len(), |at| (at + 2).min(lines.len()));
    lines[end.saturating_sub(TAIL)..end].to_vec()
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

    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_result_is_a_line_of_tap_with_remarks() {
        let log = Path::new("/nowhere/x.log");
        let good = result_lines(
            "a: b",
            &Ok(vec!["5 us".to_owned()]),
            Duration::from_secs(3),
            log,
        );
        assert_eq!(good, "ok a: b (3 s)\n#   5 us\n");
        let bad = result_lines("a", &Err(anyhow!("why")), Duration::from_secs(3), log);
        assert!(
            bad.starts_with("not ok a (3 s)\n#   why\n#   | /nowhere/x.log"),
            "{bad}"
        );
        assert!(bad.ends_with("#   the log: /nowhere/x.log\n"));
    }

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
    fn a_failure_shows_what_came_before_it() {
        let lines = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let log = lines(&["a", "x vmtest: not ok 1 - y", "x vmtest: # why", "b"]);
        assert_eq!(excerpt(log.clone()), log[..3]);
        assert_eq!(excerpt(lines(&["a", "b"])), ["a", "b"]);
        let long: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        assert_eq!(excerpt(long.clone()), long[100 - TAIL..]);
    }

    #[test]
    fn a_name_becomes_a_file_name() {
        assert_eq!(slug("dom0: over Xen, 40 MB"), "dom0-over-xen-40-mb");
    }
}
