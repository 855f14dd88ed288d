//! What stage 1 does. The runner names a scenario on the kernel's command line
//! (`vmtest.scenario=`); [`run`] is the list of them.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{bail, ensure, Context, Result};

use crate::expect::Expected;
use crate::initrd;
use crate::memory::Map;
use crate::params::Params;
use crate::report::Report;
use crate::sys::kexec;
use crate::xen::{self, Xen};

/// What comes after the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Switch the machine off.
    PowerOff,
    /// Enter the loaded kernel.
    Exec,
}

/// What a scenario works with.
pub struct Stage1<'a> {
    /// Where to report.
    pub report: &'a mut Report,
    /// The runner's wishes.
    pub params: &'a Params,
}

/// Runs the scenario that the command line names.
///
/// # Errors
///
/// There is no such scenario, or it could not go on.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let name: String = stage.params.need("scenario")?;
    match name.as_str() {
        "hello" => hello(stage),
        "load" => load(stage),
        other => bail!("there is no scenario {other:?}"),
    }
}

fn hello(stage: &mut Stage1<'_>) -> Result<Next> {
    stage.report.note(&format!(
        "on Xen: {}, as dom0: {}",
        xen::present(),
        xen::is_dom0()
    ));
    if xen::is_dom0() {
        let xen = Xen::open()?;
        for entry in xen.machine_map()?.entries() {
            stage.report.note(&entry.to_string());
        }
        stage
            .report
            .note(&format!("free pages of Xen: {}", xen.free_pages()?));
        stage.report.note(&format!(
            "status: {}, Xen at {:x?}",
            xen.kexec_status()?,
            xen.own_range()?
        ));
    }
    stage.report.test("the machine boots", |_| Ok(()));
    Ok(Next::PowerOff)
}

const KERNEL: &str = "/boot/vmlinuz";
const INITRD: &str = "/tmp/initrd";
const BASE: &str = "/boot/next-initrd";

fn load(stage: &mut Stage1<'_>) -> Result<Next> {
    let module: String = stage.params.get("module")?.unwrap_or_default();
    if !module.is_empty() {
        stage
            .report
            .test("modprobe rkexec", |_| modprobe(&["rkexec"]));
    }
    let expected = build_initrd(stage)?;
    let started = Instant::now();
    let ok = stage.report.test("kexec_file_load", |_| {
        let (kernel, initrd) = (File::open(KERNEL)?, File::open(INITRD)?);
        let cmdline = CString::new(expected.cmdline.as_str())?;
        kexec::file_load(kernel.as_fd(), Some(initrd.as_fd()), &cmdline, 0)?;
        ensure!(kexec::loaded()?, "/sys/kernel/kexec_loaded says 0");
        Ok(())
    });
    stage
        .report
        .note(&format!("took {} ms", started.elapsed().as_millis()));
    Ok(if ok { Next::Exec } else { Next::PowerOff })
}

fn build_initrd(stage: &mut Stage1<'_>) -> Result<Expected> {
    let memory = if xen::is_dom0() {
        Xen::open()?.machine_map()?
    } else {
        Map::of_firmware()?
    };
    let megabytes: u64 = stage.params.get("blob")?.unwrap_or(38);
    let ram: String = stage.params.need("ram")?;
    let cpus: String = stage.params.need("cpus")?;
    let cmdline = format!(
        "console=ttyS0,115200 panic=-1 printk.devkmsg=on loglevel=7 vmtest.stage=2 vmtest.ram={ram} vmtest.cpus={cpus}"
    );
    initrd::build(
        Path::new(BASE),
        Path::new(INITRD),
        megabytes << 20,
        &cmdline,
        memory,
    )
}

/// Runs modprobe.
///
/// # Errors
///
/// It cannot be run, or fails: then with what it said.
pub fn modprobe(arguments: &[&str]) -> Result<()> {
    let output = Command::new("modprobe")
        .args(arguments)
        .output()
        .context("modprobe")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "modprobe {arguments:?}: {}: {said}",
        output.status
    );
    Ok(())
}
