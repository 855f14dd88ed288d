//! The test report: [`Record`]s on the kernel log, one a line.
//!
//! The kernel log rather than the console: the kernel writes it out line by line, so neither its
//! own messages nor Xen's break a line in the middle. The VM runner picks them out of the serial log.

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::{Context, Result};
use rkexec_protocol::{Fact, Record, Verdict, MARK};

/// The kernel refuses longer records (`PRINTKRB_RECORD_MAX` is 1024, prefix included).
const LINE_MAX: usize = 900;

pub struct Report {
    out: Box<dyn FnMut(&Record)>,
    stage: u32,
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    /// Begins the report of a stage on the kernel log.
    pub fn on_kernel_log(stage: u32) -> Result<Self> {
        let kmsg = OpenOptions::new().write(true).open("/dev/kmsg");
        let mut kmsg = kmsg.context("/dev/kmsg")?;
        // A report that cannot be written cannot be reported either: the runner misses the line, and
        // that is a failure there. The level is one that the console always shows.
        let write = move |record: &Record| {
            let _ = kmsg.write_all(format!("<5>{MARK}{record}\n").as_bytes());
        };
        Ok(Self::on(write, stage))
    }

    pub fn on(out: impl FnMut(&Record) + 'static, stage: u32) -> Self {
        let mut report = Self {
            out: Box::new(out),
            stage,
            passed: 0,
            failed: 0,
            skipped: 0,
        };
        report.record(&Record::Begins(stage));
        report.record(&Record::Version);
        report
    }

    /// Runs one test. An error is its failure, and is not the end of the report.
    pub fn test(&mut self, name: &str, test: impl FnOnce(&mut Self) -> Result<()>) -> bool {
        let result = test(self);
        self.result(name, &result);
        result.is_ok()
    }

    pub fn result<T>(&mut self, name: &str, result: &Result<T>) {
        match result {
            Ok(_) => {
                self.passed += 1;
                self.record(&Record::Passed(self.tests(), name.to_owned()));
            }
            Err(error) => {
                self.failed += 1;
                self.record(&Record::Failed(self.tests(), name.to_owned()));
                self.note(&format!("{error:#}"));
            }
        }
    }

    /// Reports a test that could not run, and why.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        let number = self.tests();
        self.record(&Record::Skipped(number, name.to_owned(), why.to_owned()));
    }

    pub fn note(&mut self, text: &str) {
        for line in text.lines().flat_map(pieces) {
            self.record(&Record::Remark(line.to_owned()));
        }
    }

    /// Writes a remark that the runner understands.
    pub fn fact(&mut self, fact: &Fact) {
        self.note(&fact.to_string());
    }

    pub fn end(&mut self) -> Verdict {
        let (passed, failed, skipped) = (self.passed, self.failed, self.skipped);
        self.record(&Record::Plan(self.tests()));
        self.record(&Record::Totals {
            passed,
            failed,
            skipped,
        });
        let verdict = match (passed, failed) {
            (_, 1..) => Verdict::Fail,
            (0, 0) => Verdict::Skip,
            _ => Verdict::Pass,
        };
        self.record(&Record::Ends(self.stage, verdict));
        verdict
    }

    pub fn record(&mut self, record: &Record) {
        (self.out)(record);
    }

    fn tests(&self) -> usize {
        self.passed + self.failed + self.skipped
    }
}

/// A line in pieces that the kernel takes.
fn pieces(mut rest: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while rest.len() > LINE_MAX {
        let mut cut = LINE_MAX;
        while !rest.is_char_boundary(cut) {
            cut -= 1;
        }
        let (now, later) = rest.split_at(cut);
        pieces.push(now);
        rest = later;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use anyhow::bail;

    use super::*;

    type Lines = Rc<RefCell<Vec<String>>>;

    fn report() -> (Report, Lines) {
        let lines = Lines::default();
        let out = Rc::clone(&lines);
        let push = move |record: &Record| out.borrow_mut().push(record.to_string());
        (Report::on(push, 1), lines)
    }

    #[test]
    fn a_report_counts_and_ends_with_the_exit_code_of_kselftest() {
        let (mut report, lines) = report();
        assert!(report.test("good", |_| Ok(())));
        report.skip("odd", "not here");
        assert!(!report.test("bad", |_| bail!("the reason")));
        assert_eq!(report.end(), Verdict::Fail);
        let expected = [
            "stage 1 begins",
            "TAP version 13",
            "ok 1 - good",
            "ok 2 - odd # SKIP not here",
            "not ok 3 - bad",
            "# the reason",
            "1..3",
            "# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0",
            "stage 1 ends with 1",
        ];
        assert_eq!(*lines.borrow(), expected);
    }

    #[test]
    fn a_remark_that_the_kernel_would_refuse_is_cut_between_characters() {
        let (mut report, lines) = report();
        report.note(&"ä".repeat(1000));
        let remarks = lines.borrow()[2..].to_vec();
        let fits = |line: &String| line.starts_with("# ") && line.len() <= LINE_MAX + 2;
        assert!(remarks.iter().all(fits));
        assert_eq!(remarks.concat().matches('ä').count(), 1000);
    }
}
