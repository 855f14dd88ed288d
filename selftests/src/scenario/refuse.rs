//! A machine on which the module must refuse to load, and change nothing.
//!
//! `vmtest.file=` the module's file, where there is no modprobe.

use anyhow::{ensure, Result};

use super::loader::{Call, Loader};
use super::{Next, Stage1};
use crate::kernel_log::KernelLog;
use crate::places::Destination;
use crate::{module, xen};

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let file: Option<String> = stage.params.get("file")?;
    let name = "the module refuses to load, and the log says why";
    stage.report.test(name, |report| {
        let mut log = KernelLog::from_now_on()?;
        let result = file.map_or_else(module::load, |path| module::insert(&path));
        ensure!(result.is_err(), "loading it succeeded");
        ensure!(!module::is_loaded(), "loading it failed, and it is there");
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
