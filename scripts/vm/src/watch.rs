//! What a test machine says on its serial port: whether it is trouble, and whether its report is whole.

use std::sync::LazyLock;

use anyhow::{ensure, Result};
use regex::RegexSet;
use rkexec_protocol::Record;

/// Lines that mean trouble in any test, unless it says that it expects them.
static TROUBLE: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new([
        // Linux.
        r"\] (-+\[ cut here|WARNING: |BUG: |INFO: task .* blocked|kernel BUG at )",
        r"\b(Oops|general protection fault|Call Trace|Kernel panic|Unable to handle)\b",
        r"unchecked MSR access|soft lockup|hard LOCKUP|detected stalls|self-detected stall",
        r"Out of memory|oom-kill|invoked oom-killer",
        // Xen.
        r"\(XEN\) .*(Xen BUG|Xen WARN|Xen call trace|[Aa]ssertion|FATAL|Panic on CPU)",
        r"\(XEN\) .*([Cc]rashed|watchdog|DOUBLE FAULT|Unhandled .*fault)",
        // rkexec.
        r"rkexec: .*(not loaded|refused, |hand-over failed|failed \(error|does not start|does not unload|still use|lies over Xen)",
        // A program in a dom0 that is on its way to the next kernel.
        r"processor \d+ of dom0 still runs",
        // The decompressor of the next kernel.
        r"System halted",
    ])
    .expect("constant")
});

pub fn is_trouble(line: &str) -> bool {
    TROUBLE.is_match(line)
}

/// Follows the report of one machine, and checks that it is whole.
#[derive(Clone, Debug, Default)]
pub struct Report {
    stage: u32,
    tests: usize,
    planned: bool,
}

impl Report {
    /// Takes a line from the serial port. An error is that something is missing in the report.
    pub fn feed(&mut self, line: &str) -> Result<Option<Record>> {
        let record = Record::find(line)?;
        match &record {
            Some(Record::Begins(stage)) => {
                ensure!(*stage > self.stage, "stage {stage} begins again");
                *self = Self {
                    stage: *stage,
                    ..Self::default()
                };
            }
            Some(
                Record::Passed(number, _) | Record::Failed(number, _) | Record::Skipped(number, ..),
            ) => {
                self.tests += 1;
                let wanted = self.tests;
                ensure!(*number == wanted, "test {wanted} is missing in the report");
            }
            Some(Record::Plan(planned)) => {
                let tests = self.tests;
                ensure!(
                    *planned == tests,
                    "{tests} of {planned} tests were reported"
                );
                self.planned = true;
            }
            Some(Record::Ends(stage, _)) => ensure!(
                self.planned,
                "the plan of stage {stage} is missing in the report"
            ),
            _ => {}
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use rkexec_protocol::{Verdict, MARK};

    use super::*;

    fn feed(lines: &[&str]) -> Result<Vec<Record>> {
        let mut report = Report::default();
        let mut records = Vec::new();
        for line in lines {
            records.extend(report.feed(&format!("[    1.000000] {MARK}{line}"))?);
        }
        Ok(records)
    }

    #[test]
    fn a_whole_report_is_understood() {
        let records = feed(&[
            "stage 1 begins",
            "ok 1 - one",
            "# a remark",
            "not ok 2 - two",
            "1..2",
            "stage 1 ends with 1",
        ]);
        let expected = [
            Record::Begins(1),
            Record::Passed(1, "one".to_owned()),
            Record::Remark("a remark".to_owned()),
            Record::Failed(2, "two".to_owned()),
            Record::Plan(2),
            Record::Ends(1, Verdict::Fail),
        ];
        assert_eq!(records.unwrap(), expected);
    }

    #[test]
    fn a_line_that_got_lost_is_noticed() {
        assert!(feed(&["stage 1 begins", "ok 2 - two"]).is_err());
        assert!(feed(&["stage 1 begins", "ok 1 - one", "1..2"]).is_err());
        assert!(feed(&["stage 1 begins", "ok 1 - one", "stage 1 ends with 0"]).is_err());
        assert!(feed(&["stage 2 begins", "stage 2 begins"]).is_err());
    }

    #[test]
    fn lines_of_others_are_no_report() {
        let line = "(XEN) Xen version 4.20";
        assert_eq!(Report::default().feed(line).unwrap(), None);
    }

    #[test]
    fn trouble_is_told_from_what_any_boot_says() {
        for line in [
            "[    1.0] ------------[ cut here ]------------",
            "[    1.0] WARNING: CPU: 0 PID: 1 at mm/x.c:1 f+0x1/0x2",
            "[    1.0] BUG: kernel NULL pointer dereference, address: 0",
            "[    1.0] Kernel panic - not syncing: x",
            "(XEN) Xen BUG at common/page_alloc.c:2745",
            "[    1.0] rkexec: image not loaded: why",
            "[    1.0] rkexec: kexec has called Xen to load an image: refused, why",
            "rkexec: hand-over failed: why",
        ] {
            assert!(is_trouble(line), "{line}");
        }
        for line in [
            "[    0.2] Spectre V2 : WARNING is not a word here",
            "[    6.1] Freeing unused kernel image (initmem) memory: 4664K",
            "[    1.0] rkexec: loading out-of-tree module taints kernel.",
            "(XEN) Scrubbing Free RAM in background",
        ] {
            assert!(!is_trouble(line), "{line}");
        }
    }
}
