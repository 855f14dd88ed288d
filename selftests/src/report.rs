//! The test report: TAP 13 on the kernel log, one record a line.
//!
//! The kernel log rather than the console: the kernel writes it out line by line, so neither its
//! own messages nor Xen's break a line in the middle. Every line starts with [`MARK`]; the VM
//! runner picks them out of the serial log.

use std::fs::{File, OpenOptions};
use std::io::Write;

use anyhow::{Context, Result};

/// What each line of the report starts with.
pub const MARK: &str = "vmtest: ";

/// The kernel refuses longer records (`PRINTKRB_RECORD_MAX` is 1024, prefix included).
const LINE_MAX: usize = 900;

/// How a program ends, as kselftest has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything passed: exit code 0.
    Pass,
    /// Something failed: exit code 1.
    Fail,
    /// Nothing was tested: exit code 4.
    Skip,
}

impl Verdict {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Skip => 4,
        }
    }
}

/// A report under way.
pub struct Report {
    out: Box<dyn Write>,
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    /// Begins a report on the kernel log.
    ///
    /// # Errors
    ///
    /// `/dev/kmsg` cannot be opened.
    pub fn on_kernel_log() -> Result<Self> {
        let kmsg = OpenOptions::new()
            .write(true)
            .open("/dev/kmsg")
            .context("/dev/kmsg")?;
        Ok(Self::on(KernelLog(kmsg)))
    }

    /// Begins a report on any stream.
    pub fn on(out: impl Write + 'static) -> Self {
        Self {
            out: Box::new(out),
            passed: 0,
            failed: 0,
            skipped: 0,
        }
    }

    /// Writes the header; what follows belongs to `title`.
    pub fn begin(&mut self, title: &str) {
        self.line(&format!("{title} begins"));
        self.line("TAP version 13");
    }

    /// Runs one test. An error is its failure, and is not the end of the report.
    pub fn test(&mut self, name: &str, test: impl FnOnce(&mut Self) -> Result<()>) -> bool {
        let result = test(self);
        self.result(name, &result);
        result.is_ok()
    }

    /// Reports one test that has already run.
    pub fn result<T>(&mut self, name: &str, result: &Result<T>) {
        let number = self.passed + self.failed + self.skipped + 1;
        match result {
            Ok(_) => {
                self.passed += 1;
                self.line(&format!("ok {number} - {name}"));
            }
            Err(error) => {
                self.failed += 1;
                self.line(&format!("not ok {number} - {name}"));
                self.note(&format!("{error:#}"));
            }
        }
    }

    /// Reports a test that could not run, and why.
    pub fn skip(&mut self, name: &str, why: &str) {
        let number = self.passed + self.failed + self.skipped + 1;
        self.skipped += 1;
        self.line(&format!("ok {number} - {name} # SKIP {why}"));
    }

    /// Writes a remark.
    pub fn note(&mut self, text: &str) {
        for line in text.lines() {
            self.line(&format!("# {line}"));
        }
    }

    /// Writes the plan and the totals.
    pub fn end(&mut self, title: &str) -> Verdict {
        let Self {
            passed,
            failed,
            skipped,
            ..
        } = *self;
        self.line(&format!("1..{}", passed + failed + skipped));
        self.line(&format!(
            "# Totals: pass:{passed} fail:{failed} xfail:0 xpass:0 skip:{skipped} error:0"
        ));
        let verdict = match (passed, failed) {
            (_, 1..) => Verdict::Fail,
            (0, 0) => Verdict::Skip,
            _ => Verdict::Pass,
        };
        self.line(&format!("{title} ends with {}", verdict.code()));
        verdict
    }

    /// Writes one line of any kind. A report that cannot be written cannot be reported either: the
    /// runner misses the line, and that is a failure there.
    pub fn line(&mut self, text: &str) {
        let mut rest = text;
        loop {
            let cut = rest
                .char_indices()
                .map(|(at, _)| at)
                .take_while(|at| *at <= LINE_MAX)
                .last();
            let cut = if rest.len() <= LINE_MAX {
                rest.len()
            } else {
                cut.unwrap_or(rest.len())
            };
            let (now, later) = rest.split_at(cut);
            let _ = self.out.write_all(format!("{MARK}{now}\n").as_bytes());
            if later.is_empty() {
                break;
            }
            rest = later;
        }
        let _ = self.out.flush();
    }
}

/// `/dev/kmsg`, with a level that the console always shows: one record for each write.
struct KernelLog(File);

impl Write for KernelLog {
    fn write(&mut self, record: &[u8]) -> std::io::Result<usize> {
        let mut leveled = b"<5>".to_vec();
        leveled.extend_from_slice(record);
        self.0.write_all(&leveled)?;
        Ok(record.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use anyhow::bail;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_report_counts_and_ends_with_the_exit_code_of_kselftest() {
        let out = Shared::default();
        let mut report = Report::on(out.clone());
        report.begin("stage 1");
        assert!(report.test("good", |_| Ok(())));
        report.skip("odd", "not here");
        assert!(!report.test("bad", |_| bail!("the reason")));
        assert_eq!(report.end("stage 1"), Verdict::Fail);
        let text = String::from_utf8(out.0.borrow().clone()).unwrap();
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
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.strip_prefix(MARK).unwrap())
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_line_that_the_kernel_would_refuse_is_cut_between_characters() {
        let out = Shared::default();
        Report::on(out.clone()).line(&"ä".repeat(1000));
        let text = String::from_utf8(out.0.borrow().clone()).unwrap();
        assert!(text.lines().all(|line| line.len() <= LINE_MAX + MARK.len()));
        assert_eq!(text.matches('ä').count(), 1000);
    }
}
