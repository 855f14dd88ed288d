//! kexec-tools on the bare machine, as people use it.
//!
//! `vmtest.syscall=` file (`kexec -s`) or load (`kexec -c`); `vmtest.kind=crash`: the next kernel
//! reads the dump of this one; `vmtest.rounds=` so many kernels one after the other, the first of
//! them entered from the last processor, the next from the one before it, and so on;
//! `vmtest.gone=` exec: the module goes before the image is entered, or unload: it goes, the kernel
//! unloads the image, and loads another by itself.

use std::process::Command;

use anyhow::{bail, ensure, Context, Result};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;

use super::loader::{rounds_left, Call, Loader, INITRD, KERNEL};
use super::{Next, Stage1};
use crate::marker::Marker;
use crate::module;
use crate::trigger::Trigger;

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let has_module = stage.params.get::<String>("module")?.is_some();
    if has_module {
        stage.report.test("modprobe rkexec", |_| module::load());
    }
    let crash = stage.params.get::<String>("kind")?.as_deref() == Some("crash");
    let call = stage.params.need("syscall")?;
    let loader = Loader::new(stage)?;
    let mut cmdline = loader.cmdline().to_owned();
    if crash {
        let marker = Marker::leave()?;
        cmdline.push_str(&format!(" vmtest.marker={marker}"));
    }
    let load = |stage: &mut Stage1<'_>, name: &str| {
        stage.report.test(name, |_| {
            kexec(&load_arguments(call, crash, &cmdline))?;
            expect_loaded(crash, true)?;
            if module::is_loaded() {
                module::expect_map(if crash { "crash" } else { "default" })?;
            }
            Ok(())
        })
    };
    load(stage, "kexec-tools loads a kernel");
    match stage.params.get::<String>("gone")?.as_deref() {
        None => {}
        Some("exec") => gone(stage, crash),
        Some("unload") => {
            gone(stage, crash);
            stage.report.test("the kernel unloads it by itself", |_| {
                kexec(&[syscall(call), "-u"])?;
                expect_loaded(crash, false)
            });
            load(stage, "and loads another");
        }
        Some(other) => bail!("vmtest.gone={other} makes no sense"),
    }
    if let Some(rounds) = stage.params.get::<u32>("rounds")? {
        run_on(rounds.saturating_sub(1) as usize)?;
        let left = rounds_left(stage.params)?;
        let note = format!("entering it from processor {}, {left} to come", rounds - 1);
        stage.report.note(&note);
    }
    Ok(if crash {
        Next::Crash(Trigger::Sysrq)
    } else {
        Next::KexecTools
    })
}

/// The image stays when the module goes.
fn gone(stage: &mut Stage1<'_>, crash: bool) {
    stage
        .report
        .test("modprobe -r rkexec leaves it loaded", |_| {
            module::unload()?;
            expect_loaded(crash, true)
        });
}

/// The option that makes kexec-tools use this system call and no other.
fn syscall(call: Call) -> &'static str {
    match call {
        Call::File => "-s",
        Call::Load => "-c",
    }
}

fn load_arguments(call: Call, crash: bool, cmdline: &str) -> Vec<String> {
    vec![
        syscall(call).to_owned(),
        if crash { "-p" } else { "-l" }.to_owned(),
        KERNEL.to_owned(),
        format!("--initrd={INITRD}"),
        format!("--command-line={cmdline}"),
    ]
}

fn expect_loaded(crash: bool, loaded: bool) -> Result<()> {
    let name = if crash {
        "kexec_crash_loaded"
    } else {
        "kexec_loaded"
    };
    let path = format!("/sys/kernel/{name}");
    let says = std::fs::read_to_string(&path).context(path.clone())?;
    ensure!(
        says.trim() == u8::from(loaded).to_string(),
        "{path} says {says}"
    );
    Ok(())
}

/// From now on this process and its children run on one processor.
fn run_on(cpu: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).with_context(|| format!("processor {cpu}"))
}

fn kexec(arguments: &[impl AsRef<std::ffi::OsStr>]) -> Result<()> {
    let output = Command::new("kexec")
        .args(arguments)
        .output()
        .context("kexec")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "kexec: {}: {}",
        output.status,
        said.trim()
    );
    Ok(())
}
