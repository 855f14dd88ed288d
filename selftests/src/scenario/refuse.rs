//! A machine on which the module must refuse to load, and change nothing: the kernel's own kexec
//! goes on as before. In a dom0 that loads and unloads, and what it loads could not be entered.
//!
//! `vmtest.file=` the module's file, where there is no modprobe.

use anyhow::{bail, ensure, Result};

use super::loader::{Call, Loader};
use super::{Next, Stage1};
use crate::kernel_log::KernelLog;
use crate::places::Destination;
use crate::sys::kexec;
use crate::{module, xen};

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let file: Option<String> = stage.params.get("file")?;
    let name = "the module refuses to load, and the log says why";
    stage.report.test(name, |report| {
        let mut log = KernelLog::from_now_on()?;
        let Err(error) = file.map_or_else(module::load, |path| module::insert(&path)) else {
            bail!("loading it succeeded")
        };
        report.note(&format!("{error:#}"));
        ensure!(!module::is_loaded(), "loading it failed, and it is there");
        ensure!(
            !module::is_patching(),
            "loading it failed, and the kernel is patched"
        );
        let lines = log.lines()?;
        let mine = lines
            .iter()
            .filter(|line| line.contains("rkexec: not loaded"));
        let count = mine.inspect(|line| report.note(line)).count();
        ensure!(
            count == 1,
            "{count} lines of the log say that it is not loaded"
        );
        Ok(())
    });
    if xen::is_dom0() {
        let loader = Loader::new(stage)?;
        let name = "the kernel's own kexec goes on loading and unloading";
        stage.report.test(name, |_| load_and_unload(&loader));
    }
    if xen::present() {
        return Ok(Next::PowerOff);
    }
    let loader = Loader::new(stage)?;
    let loaded = loader.load_and_check(stage, Call::File, Destination::Lowest);
    stage
        .report
        .result("the kernel's own kexec goes on working", &loaded);
    Ok(Next::Exec)
}

fn load_and_unload(loader: &Loader) -> Result<()> {
    loader.try_load(Call::File, Destination::Lowest)?;
    ensure!(
        kexec::loaded()?,
        "kexec_file_load succeeded, and nothing is loaded"
    );
    kexec::file_unload()?;
    ensure!(!kexec::loaded()?, "it was unloaded, and is still there");
    Ok(())
}
