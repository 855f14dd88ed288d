//! A dom0 crashes, and the crash kernel has makedumpfile ([`crate::dump`]).
//!
//! `kexec-syscalls` starts kexec-tools both times, and the difference is whether rkexec is there. With a
//! line from the console it is the same machine until then that crashes in both ways
//! (`scripts/vm/src/dump_bytes.rs`).

use std::process::Command;

use rkexec_protocol::choice::{By, Dump, Trigger};
use rkexec_protocol::hex::Hex;
use rkexec_protocol::scenario::Dumped;
use rkexec_protocol::Fact;

use super::prelude::*;
use crate::held::Held;
use crate::ownership::Ownership;
use crate::program::{self, kexec_files};
use crate::xen::Range;
use crate::{console, past_kernel};

/// The usual initrd with what [`crate::dump`] runs.
const BASE: &str = "/boot/dump-initrd";
/// What a crash kernel is told beside the rest: the processor that it runs on may be any, and the
/// first one cannot be started again from another.
const WORDS: &str = "nr_cpus=1 reset_devices";

pub fn run(stage: &mut Stage<'_>, Dumped { by, blob }: Dumped) -> Result<Next> {
    const NAME: &str = "kexec-tools loads a crash kernel";
    if by == By::Xen {
        if let Some(why) = past_kernel::unable_for_crash(&Xen::open()?)? {
            stage.report.skip(NAME, &why);
            return Ok(Next::PowerOff);
        }
    } else if by == By::Line {
        stage.test("modprobe rkexec privcmd=0", |_| module::load_without_door());
    } else {
        stage.load_module();
    }
    let mut plan = Plan::after(stage.told);
    plan.base = BASE;
    plan.blob = blob;
    plan.words = WORDS;
    plan.told.dump = Some(match by {
        By::Kernel => Dump::Whole,
        By::Xen => Dump::Headers,
        By::Line => Dump::Raw,
    });
    let loader = Loader::new(plan)?;
    stage.test(NAME, |_| {
        let mut program = Command::new("kexec-syscalls");
        program.args(["-p", KERNEL]);
        program::run(program.args(kexec_files(INITRD, loader.cmdline())))?;
        kexec::expect_crash_loaded(by != By::Xen)
    });
    if by == By::Line {
        tell_owners(stage.report)?;
        obey(stage.report, loader.cmdline())?;
    }
    Ok(Next::Crash(Trigger::Sysrq))
}

/// Has kexec-tools nearly put its image in the place, waits for a line, and does what it says.
fn obey(report: &mut Report, cmdline: &str) -> Result<()> {
    let held = Held::crash(KERNEL, INITRD, cmdline);
    report.result(
        "kexec-tools goes past the kernel, up to its call of Xen",
        &held,
    );
    let held = held?;
    match console::ask(report)?.parse() {
        // It is left as it is.
        Ok(By::Kernel) => {}
        Ok(By::Xen) => {
            report.test("it puts its image in the place", |_| held.release());
        }
        other => bail!("a line came that is {other:?}"),
    }
    Ok(())
}

/// Tells whose memory is where.
fn tell_owners(report: &mut Report) -> Result<()> {
    let xen = Xen::open()?;
    let own = xen.own_range()?;
    let area = xen.crash_area()?.context("Xen has no crash area")?;
    let mut tell = |owner: &str, Range { start, end }| {
        report.fact(&Fact::Owned {
            owner: owner.to_owned(),
            start: Hex(start),
            end: Hex(end),
        });
    };
    // Xen gives away what it needs no more of its own range.
    for run in Ownership::read(&xen)?.runs(true) {
        tell("dom0", run);
    }
    tell("Xen", own);
    tell("the crash kernel", area);
    Ok(())
}
