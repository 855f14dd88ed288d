//! Every failure once: the N-th allocation of a load, or copy from user space, fails, for N = 1 and so on until
//! three loads came through without one.
//!
//! What is loaded so is tiny, in place of another tiny image; then in place of the image that boots in the end,
//! for each N that was a failure before. Linux drops the crash image that it has before it looks at a new one: of
//! those it is the default image beside it that has to stay.

use std::fs;

use rkexec_protocol::choice::{Trigger, Way};
use rkexec_protocol::scenario::{Crash, FailNth, Tools};

use super::crash_image::CrashImage;
use super::prelude::*;
use super::tiny::{Outcome, Tiny, ERRNOS};
use super::{fail_hypercalls, tools};
use crate::{faults, free_memory, marker};

/// Loads without a failure after which there is none to come.
const UNTOUCHED: u32 = 3;
/// More than any load has.
const MOST: u32 = 3000;
/// Memory that may be missing behind all of it: less than a page for each failure.
const LOST_MAX: i64 = 128 << 10;
/// KASAN keeps what was freed, up to a 32nd of all memory, to see whether somebody still uses it.
const QUARANTINE: i64 = 64 << 20;

pub fn run(stage: &mut Stage<'_>, fail: FailNth) -> Result<Next> {
    stage.load_module();
    let tiny = Tiny::new(fail)?;
    stage.test("what can fail will", |_| faults::prepare());
    stage.test("a tiny image, twice", |_| tiny.begin());
    if fail.hypercalls {
        fail_hypercalls::run(stage, &tiny);
        return in_the_end(stage, &tiny, &[]);
    }
    let mut failed = Vec::new();
    stage.test("every failure once", |report| {
        failed = sweep(&tiny, report)?;
        ensure!(!failed.is_empty(), "nothing has failed");
        Ok(())
    });
    in_the_end(stage, &tiny, &failed)
}

/// The image that is to boot, and the same failures once more.
fn in_the_end(stage: &mut Stage<'_>, tiny: &Tiny, failed: &[u32]) -> Result<Next> {
    if tiny.fail.crash {
        return crash_in_the_end(stage, tiny, failed);
    }
    let call = tiny.fail.call;
    let loader = Loader::new(Plan {
        blob: 1,
        ..Plan::after(stage.told)
    })?;
    stage.test("the image that is to boot", |_| loader.load(call));
    stage.test("the same failures, which leave it as it is", |report| {
        once_more(tiny, report, failed, &|| loader.load(call))
    });
    Ok(Next::Exec)
}

/// The same with a crash image, by whoever is usually tested to make one there.
fn crash_in_the_end(stage: &mut Stage<'_>, tiny: &Tiny, failed: &[u32]) -> Result<Next> {
    let FailNth { call, .. } = tiny.fail;
    let way = match call {
        Call::File => Way::File,
        Call::Load => Way::Load,
    };
    // What was dropped is not to be missing.
    stage.test("the same failures", |report| {
        once_more(tiny, report, failed, &|| {
            tiny.load().context("a tiny image")
        })
    });
    if xen::is_dom0() {
        let parameters = Crash::NEW.call(way).blob(1).default(true);
        let image = CrashImage::new(stage.told, parameters, true)?;
        stage.test("the image for the crash", |_| {
            image.load()?;
            image.expect_loaded(true)
        });
    } else {
        let mut plan = Plan::after(stage.told);
        plan.told.marker = Some(marker::leave()?);
        let loader = Loader::new(plan)?;
        let parameters = Tools::NEW.syscall(call).crash(true);
        stage.test("the image for the crash", |_| {
            tools::load(parameters, loader.cmdline())?;
            kexec::expect_crash_loaded(true)
        });
    }
    Ok(Next::Crash(Trigger::Sysrq))
}

/// Has the `number`-th fail. Nothing, if there are not so many.
fn one(tiny: &Tiny, number: u32) -> Result<Option<Outcome>> {
    let outcome = tiny.load_by(|load| faults::nth(number, load))?;
    if let Some(errno) = outcome.as_ref().and_then(|it| it.errno) {
        name(errno)?;
    }
    if let Some(xen) = tiny.xen.as_ref().filter(|_| tiny.fail.crash) {
        let (has, loaded) = (xen.has_crash_image()?, kexec::crash_loaded()?);
        ensure!(
            has == loaded,
            "a crash image: in Xen {has}, in Linux {loaded}"
        );
    }
    Ok(outcome)
}

/// What an error number is called that a failure may come to.
fn name(errno: i32) -> Result<&'static str> {
    let name = ERRNOS.iter().find(|(it, _)| *it == errno);
    let (_, name) = name.with_context(|| format!("an error for no reason: {errno}"))?;
    Ok(name)
}

/// All of them; those that the load has failed by.
fn sweep(tiny: &Tiny, report: &mut Report) -> Result<Vec<u32>> {
    let (mut table, mut untouched) = (Vec::new(), 0);
    for number in 1..MOST {
        let outcome = one(tiny, number).with_context(|| format!("N = {number}"))?;
        match outcome {
            Some(outcome) => {
                untouched = 0;
                table.push((number, outcome));
            }
            None => untouched += 1,
        }
        if untouched == UNTOUCHED {
            tell(report, &table)?;
            let failed = table.iter().filter(|(_, outcome)| outcome.errno.is_some());
            return Ok(failed.map(|(number, _)| *number).collect());
        }
    }
    bail!("it never comes to an end")
}

/// Those `failed` once more, after `load` has loaded another image.
fn once_more(
    tiny: &Tiny,
    report: &mut Report,
    failed: &[u32],
    load: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let round = || -> Result<u32> {
        let mut again = 0;
        for &number in failed {
            let outcome = one(tiny, number).with_context(|| format!("N = {number}"))?;
            // It has not come to the same this time.
            let survived = outcome.is_none_or(|it| it.errno.is_none());
            if survived || tiny.fail.crash {
                load().context("loading it again")?;
                again += u32::from(survived);
            }
        }
        Ok(again)
    };
    // Whatever is made once and then kept.
    round()?;
    let before = (free_memory::settled()?, tiny.xen_free()?);
    let again = round()?;
    let after = (free_memory::settled()?, tiny.xen_free()?);
    let lost = before.0 - after.0;
    report.note(&format!(
        "{} failures, {again} of them survived now; Linux has {} KiB less, Xen {} pages",
        failed.len(),
        lost / 1024,
        before.1.abs_diff(after.1)
    ));
    let most = if has_kasan()? { QUARANTINE } else { LOST_MAX };
    ensure!(lost <= most, "{lost} bytes are lost");
    // An image that was loaded again may have other places, and Xen's map of it another size.
    ensure!(
        again > 0 || before.1 == after.1,
        "Xen had {} free pages, and has {}",
        before.1,
        after.1
    );
    Ok(())
}

/// Whether this kernel has KASAN, by a function that only it has.
fn has_kasan() -> Result<bool> {
    const SYMBOLS: &str = "/proc/kallsyms";
    let symbols = fs::read_to_string(SYMBOLS).context(SYMBOLS)?;
    Ok(symbols.lines().any(|line| line.ends_with(" kasan_report")))
}

/// The table, with one line for each run of the same.
fn tell(report: &mut Report, table: &[(u32, Outcome)]) -> Result<()> {
    for run in table.chunk_by(|(_, one), (_, other)| one == other) {
        let ((first, outcome), (last, _)) = (&run[0], &run[run.len() - 1]);
        let numbers = match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let what = match (outcome.errno, &outcome.why) {
            (None, _) => "survived".to_owned(),
            (Some(errno), None) => format!("{}, before the module or by the kernel", name(errno)?),
            (Some(errno), Some(why)) => format!("{}: {why}", name(errno)?),
        };
        report.note(&format!("N = {numbers}: {what}"));
    }
    let count = |wanted: Option<i32>| {
        let is = |(_, outcome): &&(u32, Outcome)| outcome.errno == wanted;
        table.iter().filter(is).count()
    };
    let counts = ERRNOS.map(|(errno, name)| format!("{} {name}", count(Some(errno))));
    report.note(&format!(
        "in all {}, {} survived",
        counts.join(", "),
        count(None)
    ));
    Ok(())
}
