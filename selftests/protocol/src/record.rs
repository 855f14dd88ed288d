//! The report of a test machine: TAP 13 and a few words more, a record a line. Behind it is the exit
//! code of kselftest.

use anyhow::{Context, Result};
use parse_display::{Display, FromStr};

/// What each line of the report starts with.
pub const MARK: &str = "vmtest: ";

/// One line. Where two forms fit a line the first one counts.
#[derive(Clone, Debug, Display, FromStr, PartialEq, Eq)]
pub enum Record {
    #[display("stage {0} begins")]
    Begins(u32),
    #[display("TAP version 13")]
    Version,
    /// A test, by its number: it could not be run, for that reason.
    #[display("ok {0} - {1} # SKIP {2}")]
    Skipped(usize, String, String),
    #[display("ok {0} - {1}")]
    Passed(usize, String),
    #[display("not ok {0} - {1}")]
    Failed(usize, String),
    /// So many tests there were.
    #[display("1..{0}")]
    Plan(usize),
    #[display("# Totals: pass:{passed} fail:{failed} xfail:0 xpass:0 skip:{skipped} error:0")]
    Totals {
        passed: usize,
        failed: usize,
        skipped: usize,
    },
    #[display("# {0}")]
    Remark(String),
    #[display("stage {0} ends with {1}")]
    Ends(u32, Verdict),
    /// The machine waits for a line on its console.
    #[display("waiting for a line")]
    Waits,
    /// It is about to enter the next kernel.
    #[display("entering the next kernel")]
    Enters,
    /// It could not.
    #[display("reboot(2) came back: {0}")]
    CameBack(String),
}

/// How a stage ends, as kselftest has it.
#[derive(Clone, Copy, Debug, Display, FromStr, PartialEq, Eq)]
pub enum Verdict {
    /// Everything passed.
    #[display("0")]
    Pass,
    /// Something failed.
    #[display("1")]
    Fail,
    /// Nothing was tested.
    #[display("4")]
    Skip,
}

impl Record {
    /// The record in a line of the serial port; nothing if the line is somebody else's.
    pub fn find(line: &str) -> Result<Option<Self>> {
        let Some((_, text)) = line.split_once(MARK) else {
            return Ok(None);
        };
        let record = text.parse();
        let record =
            record.with_context(|| format!("a line of the report that makes no sense: {text:?}"));
        record.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_read_as_it_is_written() {
        let name = || "one: (1/2) - yes".to_owned();
        for record in [
            Record::Begins(12),
            Record::Version,
            Record::Skipped(3, name(), "not # here".to_owned()),
            Record::Passed(1, name()),
            Record::Failed(2, name()),
            Record::Plan(3),
            Record::Totals {
                passed: 1,
                failed: 2,
                skipped: 3,
            },
            Record::Remark("Totals: none".to_owned()),
            Record::Remark(String::new()),
            Record::Ends(2, Verdict::Skip),
            Record::Waits,
            Record::Enters,
            Record::CameBack("EBUSY".to_owned()),
        ] {
            let line = format!("[    1.000000] {MARK}{record}");
            assert_eq!(Record::find(&line).unwrap(), Some(record));
        }
    }

    #[test]
    fn lines_of_others_are_no_records_and_ours_have_to_make_sense() {
        assert_eq!(Record::find("(XEN) Xen version 4.20").unwrap(), None);
        for text in [
            "",
            "stage one begins",
            "stage 1 ends with 7",
            "ok - x",
            "hello",
        ] {
            assert!(Record::find(&format!("{MARK}{text}")).is_err(), "{text}");
        }
    }
}
