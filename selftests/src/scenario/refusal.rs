//! Xen has no image when it is told to start one, because somebody else has unloaded it: the module
//! gives up, and the machine restarts.
//!
//! The module hands the image to Xen once more right before. That fails here, since dom0 has all the
//! memory that Xen had, and then the module relies on the image that it has handed over before. It
//! cannot see that somebody else has unloaded that one: twice, so that Xen's status is what it was.

use anyhow::{ensure, Result};

use super::loader::{Call, Loader};
use super::{Next, Stage1};
use crate::places::Destination::Lowest;
use crate::xen::Xen;
use crate::{balloon, module};

/// More than the machine has.
const ALL_KIB: u64 = 2 << 20;
/// What Xen may keep: too little for any image.
const LEFT_PAGES: u64 = 4;

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    stage.report.test("modprobe rkexec", |_| module::load());
    let loader = Loader::new(stage)?;
    let xen = Xen::open()?;
    stage.report.test("an image is loaded", |_| {
        loader.try_load(Call::File, Lowest)?;
        loader.expect_loaded(true)?;
        loader.xen_told_the_truth()
    });
    stage.report.test("somebody else unloads it in Xen", |_| {
        xen.kexec_unload()?;
        ensure!(!xen.kexec_status()?, "Xen's status says 1");
        xen.kexec_unload()?;
        ensure!(xen.kexec_status()?, "Xen's status says 0");
        Ok(())
    });
    stage
        .report
        .test("dom0 gets all of Xen's memory", |report| {
            balloon::until(ALL_KIB, || Ok(xen.free_pages()? <= LEFT_PAGES))?;
            report.note(&format!("Xen has {} pages left", xen.free_pages()?));
            Ok(())
        });
    Ok(Next::Exec)
}
