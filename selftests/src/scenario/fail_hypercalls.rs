//! Xen's answers to the module made up: each hypercall of a load, and of an unload, fails once with each error that
//! Xen has for it.
//!
//! The call itself does not happen then, so Xen has what it had. The errors are those of its sources: of kexec.c,
//! memory.c, sysctl.c, and of the policies that come before.

use libc::{EACCES, EADDRNOTAVAIL, EBUSY, EFAULT, EINVAL, ENOENT, ENOMEM, ENOSYS, EPERM, ERANGE};

use super::prelude::*;
use super::tiny::Tiny;
use crate::faults::Answers;

/// The functions of the module's that make the hypercalls (`rust/helpers.c`).
const CALLS: [(&str, &[i32]); 3] = [
    (
        "rkexec_kexec_op",
        &[
            EPERM,
            ENOENT,
            EFAULT,
            EINVAL,
            ENOMEM,
            EBUSY,
            ENOSYS,
            EADDRNOTAVAIL,
            ERANGE,
        ],
    ),
    ("rkexec_memory_op", &[EPERM, EFAULT, EINVAL, ENOMEM, ENOSYS]),
    ("rkexec_sysctl", &[EPERM, EACCES, EFAULT, EINVAL, ENOSYS]),
];
/// More than any load makes of one kind.
const MOST: u32 = 100;

pub fn run(stage: &mut Stage<'_>, tiny: &Tiny) {
    for (function, errnos) in CALLS {
        let name = format!("{function} fails once, with each error");
        stage.test(&name, |report| {
            let answers = Answers::of(function)?;
            for &errno in errnos {
                loads(report, tiny, &answers, errno).with_context(|| format!("error {errno}"))?;
            }
            Ok(())
        });
    }
    stage.test("an unload that Xen refuses, with each error", |report| {
        let (function, errnos) = CALLS[0];
        let answers = Answers::of(function)?;
        for &errno in errnos {
            unloads(report, tiny, &answers, errno).with_context(|| format!("error {errno}"))?;
        }
        Ok(())
    });
}

/// Each of a load's.
fn loads(report: &mut Report, tiny: &Tiny, answers: &Answers, errno: i32) -> Result<()> {
    for number in 1..MOST {
        let outcome = tiny.load_by(|load| answers.nth(number, errno, load));
        let Some(outcome) = outcome.with_context(|| format!("call {number}"))? else {
            // Crash images went first; this is the load without a failure that brings it back.
            return Ok(());
        };
        let told = match (outcome.errno, outcome.why) {
            (None, _) => "survived".to_owned(),
            (Some(got), Some(why)) => format!("error {got}: {why}"),
            (Some(got), None) => bail!("call {number}: error {got}, and the log says nothing"),
        };
        report.note(&format!("call {number}, answer -{errno}: {told}"));
    }
    bail!("it never comes to an end")
}

/// The image is gone for Linux, and Xen may have it still: until the next one takes its place, and goes.
fn unloads(report: &mut Report, tiny: &Tiny, answers: &Answers, errno: i32) -> Result<()> {
    tiny.unload().context("without any failure")?;
    let free = tiny.xen_free()?;
    for number in 1..MOST {
        tiny.load().context("without any failure")?;
        let (result, failed) = answers.nth(number, errno, || tiny.unload())?;
        let still = free.saturating_sub(tiny.xen_free()?);
        tiny.load().context("behind that")?;
        tiny.unload().context("behind that")?;
        let after = tiny.xen_free()?;
        ensure!(after == free, "Xen had {free} free pages, and has {after}");
        if !failed {
            break;
        }
        let told = result.map_or_else(|error| error.to_string(), |()| "gone".to_owned());
        report.note(&format!(
            "call {number}, answer -{errno}: {told}, {still} pages still in Xen"
        ));
    }
    tiny.load().context("the next one")
}
