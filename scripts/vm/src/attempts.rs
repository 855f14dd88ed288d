//! One test, and a second machine for it if the first one never came to it, or if it takes two.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::assets::Files;
use crate::case::Case;
use crate::end::End;
use crate::machine;
use crate::run_case::{self, NeverStarted, Notes, Observer, Skipped};
use crate::vmcore::{self, Vmcore};

/// How the note begins that a second machine was started.
pub const SECOND: &str = "a second machine was started";

/// Runs `case`; the serial log goes to `log`, and each line to `observer`.
pub fn run(case: &Case, files: &Files, log: &Path, observer: Observer<'_>) -> Result<Notes> {
    let mut notes = one(case, files, log, observer)?;
    if let End::Dump(scenario) = case.end {
        let other = Case {
            scenario,
            end: End::NextKernel,
            ..*case
        };
        let log = log.with_file_name(format!("{}-other.log", machine::name(log)));
        let ours = Vmcore::of(&notes)?;
        notes.retain(|note| !vmcore::is_of_one(note));
        notes.push(format!("the dump: {ours}"));
        match one(&other, files, &log, observer) {
            Ok(told) => {
                let theirs = Vmcore::of(&told)?;
                ours.expect_all_of(&theirs)?;
                notes.push(format!("the other: {theirs}"));
            }
            // The first machine's test counts for what it is.
            Err(error) if error.is::<Skipped>() => notes.push(format!("the other: {error}")),
            Err(error) => {
                return Err(error.context(format!("the other machine ({})", log.display())));
            }
        }
    }
    Ok(notes)
}

/// Runs one machine for `case`; the serial log goes to `log`, and each line to `observer`.
///
/// About one in a hundred emulated machines with several processors freezes or crashes while Xen or
/// the stock kernel starts, or right after, on which nothing of the module has run by then. Such a machine is
/// started once more, and that is said; its log is kept as `log` with the ending `first`.
fn one(case: &Case, files: &Files, log: &Path, observer: Observer<'_>) -> Result<Notes> {
    let mut attempt = || run_case::run(case, files, log, observer);
    let error = match attempt() {
        Err(error) if error.is::<NeverStarted>() => error,
        result => return result,
    };
    fs::rename(log, log.with_extension("first"))?;
    let mut notes = attempt()
        .with_context(|| format!("the second machine, after this of the first: {error}"))?;
    notes.insert(0, format!("{SECOND}: {error}"));
    Ok(notes)
}
