//! What a test machine says on its serial port, and what it means.

use std::sync::LazyLock;

use anyhow::{bail, ensure, Context, Result};
use regex::{Regex, RegexSet};

/// What each line of the guest programs' report starts with (`selftests/src/report.rs`).
const MARK: &str = "vmtest: ";

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
        r"rkexec: .*(not loaded|hand-over failed|failed \(error|does not start|does not unload|still use|lies over Xen)",
        // A program in a dom0 that is on its way to the next kernel.
        r"processor \d+ of dom0 still runs",
        // The decompressor of the next kernel.
        r"System halted",
    ])
    .expect("constant")
});

/// Whether a line means trouble.
pub fn is_trouble(line: &str) -> bool {
    TROUBLE.is_match(line)
}

/// Something that a guest program has reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stage begins.
    Begins(u32),
    /// One of its tests has a result.
    Test {
        /// Whether it passed.
        ok: bool,
        /// What it is called.
        name: String,
    },
    /// A remark.
    Note(String),
    /// A stage ends, with an exit code of kselftest.
    Ends(u32, u8),
    /// The guest waits for a line on its console.
    Waits,
    /// The guest is about to enter the next kernel.
    Enters,
    /// It could not.
    CameBack(String),
}

/// Follows the report of one machine, and checks that it is whole.
#[derive(Clone, Debug, Default)]
pub struct Report {
    stage: u32,
    tests: usize,
    planned: bool,
}

static TEST: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(not )?ok (\d+) - (.*)$").expect("constant"));
static STAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^stage (\d+) (?:(begins)|ends with (\d+))$").expect("constant"));

impl Report {
    /// Takes a line from the serial port.
    ///
    /// # Errors
    ///
    /// Something is missing in the report.
    pub fn feed(&mut self, line: &str) -> Result<Option<Event>> {
        let Some((_, text)) = line.split_once(MARK) else {
            return Ok(None);
        };
        if let Some(test) = TEST.captures(text) {
            self.tests += 1;
            let number: usize = test[2].parse()?;
            ensure!(
                number == self.tests,
                "test {} is missing in the report",
                self.tests
            );
            let ok = test.get(1).is_none();
            return Ok(Some(Event::Test {
                ok,
                name: test[3].to_owned(),
            }));
        }
        if let Some(stage) = STAGE.captures(text) {
            let number = stage[1].parse()?;
            let Some(code) = stage.get(3) else {
                ensure!(number > self.stage, "stage {number} begins again");
                *self = Self {
                    stage: number,
                    ..Self::default()
                };
                return Ok(Some(Event::Begins(number)));
            };
            ensure!(
                self.planned,
                "the plan of stage {number} is missing in the report"
            );
            return Ok(Some(Event::Ends(number, code.as_str().parse()?)));
        }
        if let Some(plan) = text.strip_prefix("1..") {
            let planned: usize = plan.parse().with_context(|| format!("a plan {plan:?}"))?;
            ensure!(
                planned == self.tests,
                "{} of {planned} tests were reported",
                self.tests
            );
            self.planned = true;
            return Ok(None);
        }
        Ok(match text {
            "TAP version 13" => None,
            "waiting for a line" => Some(Event::Waits),
            "entering the next kernel" => Some(Event::Enters),
            _ if text.starts_with("# Totals:") => None,
            _ => match (
                text.strip_prefix("# "),
                text.strip_prefix("reboot(2) came back: "),
            ) {
                (Some(note), _) => Some(Event::Note(note.to_owned())),
                (_, Some(error)) => Some(Event::CameBack(error.to_owned())),
                _ => bail!("a line of the report that makes no sense: {text:?}"),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(lines: &[&str]) -> Result<Vec<Event>> {
        let mut report = Report::default();
        let mut events = Vec::new();
        for line in lines {
            events.extend(report.feed(&format!("[    1.000000] {MARK}{line}"))?);
        }
        Ok(events)
    }

    #[test]
    fn a_whole_report_is_understood() {
        let events = feed(&[
            "stage 1 begins",
            "TAP version 13",
            "ok 1 - one",
            "# a remark",
            "not ok 2 - two",
            "1..2",
            "# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:0 error:0",
            "stage 1 ends with 1",
        ]);
        let test = |ok, name: &str| Event::Test {
            ok,
            name: name.to_owned(),
        };
        let expected = [
            Event::Begins(1),
            test(true, "one"),
            Event::Note("a remark".to_owned()),
            test(false, "two"),
            Event::Ends(1, 1),
        ];
        assert_eq!(events.unwrap(), expected);
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
        assert_eq!(
            Report::default().feed("(XEN) Xen version 4.20").unwrap(),
            None
        );
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
