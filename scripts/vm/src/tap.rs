//! The results of a run, as TAP on the standard output.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::console;
use crate::run_case::Notes;

/// Lines of the log that a failed test shows.
const TAIL: usize = 30;

/// A run under way, of which any thread may report a result.
pub struct Tap<'a> {
    logs: &'a Path,
    started: Instant,
    results: Mutex<Results>,
}

#[derive(Default)]
struct Results {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl<'a> Tap<'a> {
    /// Begins one of `plan` tests, whose logs go to the directory `logs`.
    pub fn begin(plan: usize, logs: &'a Path) -> Self {
        println!("TAP version 13\n1..{plan}");
        Self {
            logs,
            started: Instant::now(),
            results: Mutex::default(),
        }
    }

    /// Reports how a test has ended.
    pub fn result(&self, name: &str, result: &Result<Notes>, took: Duration, log: &Path) {
        let text = result_lines(name, result, took, log);
        let mut results = self.results();
        match result {
            Ok(_) => results.passed += 1,
            Err(_) => results.failed += 1,
        }
        results.print(&text);
    }

    /// Reports a test that cannot be run without what is `missing`.
    pub fn skip(&self, name: &str, missing: &str) {
        let mut results = self.results();
        results.skipped += 1;
        results.print(&format!("ok {name} # SKIP without {missing}\n"));
    }

    /// Ends it. True if nothing has failed.
    pub fn end(self) -> bool {
        let results = self.results();
        let Results {
            passed,
            failed,
            skipped,
        } = &*results;
        println!(
            "# {passed} passed, {failed} failed, {skipped} skipped ({} s)",
            self.started.elapsed().as_secs()
        );
        println!("# the serial logs are in {}", self.logs.display());
        results.failed == 0
    }

    fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
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
fn result_lines(name: &str, result: &Result<Notes>, took: Duration, log: &Path) -> String {
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

#[cfg(test)]
mod tests {
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
    fn a_failure_shows_what_came_before_it() {
        let lines = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let log = lines(&["a", "x vmtest: not ok 1 - y", "x vmtest: # why", "b"]);
        assert_eq!(excerpt(log.clone()), log[..3]);
        assert_eq!(excerpt(lines(&["a", "b"])), ["a", "b"]);
        let long: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        assert_eq!(excerpt(long.clone()), long[100 - TAIL..]);
    }
}
