//! A machine on which the module must refuse to load, and change nothing.

use anyhow::{ensure, Result};

use super::loader::{Call, Loader};
use super::{Next, Stage1};
use crate::kernel_log::KernelLog;
use crate::places::Destination;
use crate::{module, xen};

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    stage
        .report
        .test("modprobe rkexec fails, and the log says why", |report| {
            let mut log = KernelLog::from_now_on()?;
            let result = module::load();
            ensure!(result.is_err(), "modprobe succeeded");
            ensure!(
                !module::is_loaded(),
                "modprobe failed, and the module is there"
            );
            let lines = log.lines()?;
            let mine: Vec<_> = lines
                .iter()
                .filter(|line| line.contains("rkexec: not loaded"))
                .collect();
            for line in &mine {
                report.note(line);
            }
            ensure!(
                mine.len() == 1,
                "{} lines of the log say that it is not loaded",
                mine.len()
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
