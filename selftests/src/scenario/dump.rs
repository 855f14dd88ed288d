//! A dom0 crashes, and the crash kernel has makedumpfile ([`crate::dump`]).
//!
//! `vmtest.by=` kernel: kexec-tools loads the crash kernel by the system call; xen: it goes past the
//! kernel. `kexec-syscalls` starts it both times, and the difference is whether rkexec is there.
//!
//! `vmtest.by=line`: it is loaded by the system call, and then a line on the console says whether that
//! is to do (`kernel`), or whether kexec-tools goes past the kernel after all and puts another one in
//! its place (`xen`). Until the line comes it is the same machine that crashes in both ways
//! (`scripts/vm/src/dump_bytes.rs`).

use std::process::Command;

use anyhow::{bail, ensure, Context, Result};

use super::loader::{Loader, INITRD, KERNEL};
use super::{Next, Stage1};
use crate::dump::PARAM;
use crate::held::Held;
use crate::ownership::Ownership;
use crate::report::Report;
use crate::trigger::Trigger;
use crate::xen::Xen;
use crate::{console, module, past_kernel};

/// The usual initrd with what [`crate::dump`] runs.
const BASE: &str = "/boot/dump-initrd";
/// What a crash kernel is told beside the rest: the processor that it runs on may be any, and the
/// first one cannot be started again from another.
const WORDS: &str = "nr_cpus=1 reset_devices";
const PROGRAM: &str = "kexec-syscalls";
const LOADED: &str = "/sys/kernel/kexec_crash_loaded";

/// Who loads the crash kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Kernel,
    Xen,
    Line,
}

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let by = match stage.params.need::<String>("by")?.as_str() {
        "kernel" => By::Kernel,
        "xen" => By::Xen,
        "line" => By::Line,
        other => bail!("vmtest.by={other} makes no sense"),
    };
    if by == By::Xen {
        if let Some(why) = past_kernel::unable_for_crash(&Xen::open()?)? {
            stage.report.skip("kexec-tools loads a crash kernel", &why);
            return Ok(Next::PowerOff);
        }
    } else {
        stage.report.test("modprobe rkexec", |_| module::load());
    }
    let tools = match by {
        By::Kernel => "all",
        By::Xen => "headers",
        By::Line => "raw",
    };
    let loader = Loader::upon(stage, BASE, &format!("{WORDS} vmtest.{PARAM}={tools}"))?;
    stage.report.test("kexec-tools loads a crash kernel", |_| {
        load(loader.cmdline())?;
        let told = std::fs::read_to_string(LOADED).context(LOADED)?;
        let wanted = match by {
            By::Kernel | By::Line => "1",
            By::Xen => "0",
        };
        ensure!(told.trim() == wanted, "{LOADED} says {told}");
        Ok(())
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
    match console::ask(report)?.as_str() {
        // It is left as it is.
        "kernel" => {}
        "xen" => {
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
    let mut tell = |owner: &str, start: u64, end: u64| {
        report.note(&format!("memory of {owner}: {start:x}-{end:x}"));
    };
    // Xen gives away what it needs no more of its own range.
    for (start, end) in Ownership::read(&xen)?.runs(true) {
        tell("dom0", start, end);
    }
    tell("Xen", own.start, own.end());
    tell("the crash kernel", area.start, area.end());
    Ok(())
}

fn load(cmdline: &str) -> Result<()> {
    let output = Command::new(PROGRAM)
        .args(["-p", KERNEL])
        .arg(format!("--initrd={INITRD}"))
        .arg(format!("--command-line={cmdline}"))
        .output()
        .context(PROGRAM)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{PROGRAM}: {}: {}",
        output.status,
        said.trim()
    );
    Ok(())
}
