//! A dom0 crashes, and the crash kernel has makedumpfile ([`crate::dump`]).
//!
//! `vmtest.by=` kernel: kexec-tools loads the crash kernel by the system call; xen: it goes past the
//! kernel. `kexec-syscalls` starts it both times, and the difference is whether rkexec is there.

use std::process::Command;

use anyhow::{bail, ensure, Context, Result};

use super::loader::{Loader, INITRD, KERNEL};
use super::{Next, Stage1};
use crate::dump::PARAM;
use crate::module;
use crate::trigger::Trigger;

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
}

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let by = match stage.params.need::<String>("by")?.as_str() {
        "kernel" => By::Kernel,
        "xen" => By::Xen,
        other => bail!("vmtest.by={other} makes no sense"),
    };
    if by == By::Kernel {
        stage.report.test("modprobe rkexec", |_| module::load());
    }
    let tools = match by {
        By::Kernel => "all",
        By::Xen => "headers",
    };
    let loader = Loader::upon(stage, BASE, &format!("{WORDS} vmtest.{PARAM}={tools}"))?;
    stage.report.test("kexec-tools loads a crash kernel", |_| {
        load(loader.cmdline())?;
        let told = std::fs::read_to_string(LOADED).context(LOADED)?;
        let wanted = match by {
            By::Kernel => "1",
            By::Xen => "0",
        };
        ensure!(told.trim() == wanted, "{LOADED} says {told}");
        Ok(())
    });
    Ok(Next::Crash(Trigger::Sysrq))
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
