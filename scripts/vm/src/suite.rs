//! Many tests, as libtest-mimic runs them: in the order in which they are given, at most two machines at
//! a time. It shows nothing of a test that passed, so what such tests have to say comes behind it all.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use libtest_mimic::{Arguments, Completion, Trial};
use rkexec_protocol::Record;

use crate::run_case::{Notes, Skipped};

/// Machines at a time, if nothing else is said.
const MACHINES: usize = 2;
/// Lines of the log that a failed test shows.
const TAIL: usize = 30;

pub struct Suite {
    logs: PathBuf,
    trials: Vec<Trial>,
    remarks: Arc<Mutex<String>>,
}

impl Suite {
    /// One whose logs go to the directory `logs`.
    pub fn new(logs: &Path) -> Self {
        Self {
            logs: logs.to_owned(),
            trials: Vec::new(),
            remarks: Arc::default(),
        }
    }

    /// Adds a test that writes the log called `log`. It is skipped if it ends as [`Skipped`].
    pub fn add(
        &mut self,
        name: &str,
        log: &str,
        test: impl FnOnce(&Path) -> Result<Notes> + Send + 'static,
    ) {
        let (title, log) = (name.to_owned(), self.logs.join(format!("{log}.log")));
        let remarks = Arc::clone(&self.remarks);
        self.trials.push(Trial::ignorable_test(name, move || {
            let started = Instant::now();
            match test(&log) {
                Ok(notes) => {
                    let mut remarks = remarks.lock().unwrap_or_else(PoisonError::into_inner);
                    writeln!(remarks, "{title} ({} s)", started.elapsed().as_secs())?;
                    for note in notes {
                        writeln!(remarks, "    {note}")?;
                    }
                    Ok(Completion::Completed)
                }
                Err(error) => match error.downcast_ref() {
                    Some(Skipped(missing)) => {
                        Ok(Completion::ignored_with(format!("without {missing}")))
                    }
                    None => Err(failure(&error, &log).into()),
                },
            }
        }));
    }

    /// Runs it. True if nothing has failed.
    pub fn run(self, args: &Arguments) -> Result<bool> {
        let machines = args.test_threads.unwrap_or(MACHINES);
        ensure!(
            (1..=MACHINES).contains(&machines),
            "1 or 2 machines at a time"
        );
        let args = Arguments {
            test_threads: Some(machines),
            ..args.clone()
        };
        let all = self.trials.len() as u64;
        let conclusion = libtest_mimic::run(&args, self.trials);
        ensure!(conclusion.num_filtered_out < all, "no test has such a name");
        if !args.list {
            let remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
            if !remarks.is_empty() {
                println!("passed, and said:\n\n{remarks}");
            }
            println!("the serial logs are in {}", self.logs.display());
        }
        Ok(!conclusion.has_failed())
    }
}

/// What a test shows that has failed: why, and what the machine has said last.
fn failure(error: &anyhow::Error, log: &Path) -> String {
    let lines = tail(log).unwrap_or_else(|error| vec![format!("{error:#}")]);
    format!(
        "{error:#}\n  | {}\nthe log: {}",
        lines.join("\n  | "),
        log.display()
    )
}

/// The lines of a log that a failure shows.
fn tail(log: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(log).with_context(|| log.display().to_string())?;
    let lines = bytes.split(|byte| *byte == b'\n').map(qemu::clean);
    Ok(excerpt(lines.filter(|line| !line.is_empty()).collect()))
}

/// The last lines up to the first test of the guest that failed, or up to the end.
fn excerpt(lines: Vec<String>) -> Vec<String> {
    // The reason is on the line behind it.
    let is_failure = |line: &String| matches!(Record::find(line), Ok(Some(Record::Failed(..))));
    let failed = lines.iter().position(is_failure);
    let end = failed.map_or(lines.len(), |at| (at + 2).min(lines.len()));
    lines[end.saturating_sub(TAIL)..end].to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread::sleep;
    use std::time::Duration;

    use anyhow::anyhow;

    use super::*;

    fn quiet(machines: usize) -> Arguments {
        Arguments {
            test_threads: Some(machines),
            logfile: Some("/dev/null".to_owned()),
            ..Arguments::default()
        }
    }

    #[test]
    fn as_many_run_at_a_time_as_were_asked_for_and_in_order() {
        for machines in [1, 2] {
            let (running, most, begun) =
                <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
            let mut suite = Suite::new(Path::new("/nowhere"));
            for number in 0..6 {
                let (running, most, begun) = (running.clone(), most.clone(), begun.clone());
                suite.add(&number.to_string(), "x", move |_| {
                    let early = begun.fetch_add(1, SeqCst).abs_diff(number);
                    ensure!(early < 2, "{number} runs out of turn");
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    sleep(Duration::from_millis(50));
                    running.fetch_sub(1, SeqCst);
                    Ok(Notes::new())
                });
            }
            assert!(suite.run(&quiet(machines)).unwrap());
            assert_eq!(most.load(SeqCst), machines);
        }
        let too_many = Suite::new(Path::new("/nowhere")).run(&quiet(3));
        assert!(too_many.is_err());
    }

    #[test]
    fn remarks_of_a_test_that_passed_are_kept_and_a_skipped_one_neither_passes_nor_fails() {
        let mut suite = Suite::new(Path::new("/nowhere"));
        suite.add("a: b", "x", |_| Ok(vec!["5 us".to_owned()]));
        suite.add("c", "x", |_| Err(Skipped("tools".to_owned()).into()));
        let remarks = suite.remarks.clone();
        assert!(suite.run(&quiet(1)).unwrap());
        assert_eq!(*remarks.lock().unwrap(), "a: b (0 s)\n    5 us\n");
    }

    #[test]
    fn a_failure_has_its_reason_and_the_log() {
        let log = Path::new("/nowhere/x.log");
        let text = failure(&anyhow!("why"), log);
        assert!(text.starts_with("why\n  | /nowhere/x.log"), "{text}");
        assert!(text.ends_with("\nthe log: /nowhere/x.log"));
        let mut suite = Suite::new(Path::new("/nowhere"));
        suite.add("a", "x", |_| Err(anyhow!("why")));
        assert!(!suite.run(&quiet(1)).unwrap());
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
