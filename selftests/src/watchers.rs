//! What a debug kernel has found without a word (`scripts/debug-kernel`), and whether it still looks. On any other
//! kernel there is nothing to do.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::report::Report;

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
const LOCKDEP: &str = "/proc/lockdep_stats";
/// What is younger than this is no leak to kmemleak (`MSECS_MIN_AGE` is 5 seconds).
const AGE: Duration = Duration::from_secs(6);
/// Lines of a report that are told: some leaks, each with its stack.
const LINES: usize = 60;

/// Has what was lost up to now be forgotten.
pub fn begin(report: &mut Report) {
    if Path::new(KMEMLEAK).exists() {
        report.test("what this kernel has lost before is known", |report| {
            // No looks of its own, whose time nobody knows.
            tell("scan=off")?;
            tell("scan")?;
            let lost = leaks()?;
            report.note(&format!("{} leaks before", count(&lost)));
            tell("clear")
        });
    }
}

/// Looks what was lost since.
pub fn check(report: &mut Report) {
    if Path::new(KMEMLEAK).exists() {
        report.test("kmemleak has found nothing", |report| {
            sleep(AGE);
            // What is on its way from one place to another is in neither for a moment.
            tell("scan")?;
            tell("scan")?;
            let lost = leaks()?;
            lost.lines().take(LINES).for_each(|line| report.note(line));
            ensure!(lost.is_empty(), "{} leaks", count(&lost));
            Ok(())
        });
    }
    if Path::new(LOCKDEP).exists() {
        // It gives up at the first report, and where it has no room.
        report.test("lockdep still looks", |_| {
            let stats = fs::read_to_string(LOCKDEP).context(LOCKDEP)?;
            let line = stats.lines().find(|line| line.contains("debug_locks:"));
            let line = line.context("it does not say debug_locks")?;
            ensure!(line.trim_end().ends_with(" 1"), "{}", line.trim());
            Ok(())
        });
    }
}

fn tell(what: &str) -> Result<()> {
    fs::write(KMEMLEAK, what).with_context(|| format!("{KMEMLEAK}: {what}"))
}

fn leaks() -> Result<String> {
    fs::read_to_string(KMEMLEAK).context(KMEMLEAK)
}

fn count(leaks: &str) -> usize {
    leaks.matches("unreferenced object").count()
}
