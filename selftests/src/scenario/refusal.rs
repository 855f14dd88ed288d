//! Xen has no image when it is told to start one, because somebody else has unloaded it: the module
//! gives up, and the machine restarts.
//!
//! The module hands the image to Xen once more right before. That fails here, since dom0 has all the
//! memory that Xen had, and then the module relies on the image that it has handed over before. It
//! cannot see that somebody else has unloaded that one: twice, so that Xen's status is what it was.
//!
//! Between the shutdown of devices and the restart there is time here, for all that the kernel has to
//! say takes long. A program that is busy on the other processor must not have any of it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::prelude::*;
use crate::balloon;
use crate::sys::schedule;

/// More than the machine has.
const ALL_KIB: u64 = 2 << 20;
/// What Xen may keep: too little for any image.
const LEFT_PAGES: u64 = 4;

/// How long the kernel waits before each line of its log.
const DELAY_MS: &str = "1000";
/// The other processor may go on for so long after the shutdown of devices. It is told to stop at once.
const GRACE: Duration = Duration::from_millis(500);

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    stage.load_module();
    let loader = Loader::after(stage.told)?;
    let xen = Xen::open()?;
    stage.test("an image is loaded", |_| {
        loader.load(Call::File)?;
        loader.expect_loaded(true)?;
        loader.xen_told_the_truth()
    });
    stage.test("somebody else unloads it in Xen", |_| {
        xen.kexec_unload()?;
        ensure!(!xen.kexec_status()?, "Xen's status says 1");
        xen.kexec_unload()?;
        ensure!(xen.kexec_status()?, "Xen's status says 0");
        Ok(())
    });
    stage.test("dom0 gets all of Xen's memory", |report| {
        balloon::until(ALL_KIB, || Ok(xen.free_pages()? <= LEFT_PAGES))?;
        report.note(&format!("Xen has {} pages left", xen.free_pages()?));
        Ok(())
    });
    stage.test("a program is busy on the other processor", |_| {
        let log = KernelLog::from_now_on()?;
        thread::spawn(|| stay_busy(1, log, &Xen::open()?));
        fs::write("/proc/sys/kernel/printk_delay", DELAY_MS).context("printk_delay")
    });
    Ok(Next::Exec)
}

/// Uses up the processor `cpu`. When the kernel has shut down the devices, and some time has gone by, says
/// that there is still somebody (the runner looks for that line).
fn stay_busy(cpu: usize, mut log: KernelLog, xen: &Xen) -> Result<()> {
    schedule::keep_to(cpu)?;
    while !log.says("Starting new kernel")? {}
    let begin = Instant::now();
    while begin.elapsed() < GRACE {
        std::hint::spin_loop();
    }
    xen.say(&format!("processor {cpu} of dom0 still runs"))
}
