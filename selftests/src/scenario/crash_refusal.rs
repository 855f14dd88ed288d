//! A dom0 whose Xen has no crash area: no crash image can be loaded, and everything says why.

use anyhow::{ensure, Result};
use libc::EADDRNOTAVAIL;

use super::loader::{expect_errno, file_load_with, Call, Loader};
use super::{Next, Stage1};
use crate::kernel_log::KernelLog;
use crate::module;
use crate::places::Destination::Lowest;
use crate::sys::kexec::{self, Segment};
use crate::xen::Xen;

/// What the module says: at first as a remark, then as a reason.
const REMARK: &str = "rkexec: crash images cannot be loaded: Xen has no crash area";
const REASON: &str = "rkexec: image not loaded: Xen has no crash area";
/// And what there is to do.
const ADVICE: &str = "give Xen the option crashkernel=";

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let xen = Xen::open()?;
    let mut log = KernelLog::from_now_on()?;
    stage.report.test("modprobe rkexec says it", |_| {
        ensure!(xen.crash_area()?.is_none(), "Xen has a crash area");
        module::load()?;
        says(&mut log, REMARK)
    });
    let loader = Loader::new(stage)?;
    stage.report.test("kexec_file_load says it again", |_| {
        let result = file_load_with(loader.cmdline(), kexec::FILE_ON_CRASH);
        expect_errno(result, &[EADDRNOTAVAIL])?;
        says(&mut log, REASON)
    });
    stage
        .report
        .test("kexec_load is refused by the kernel", |_| {
            const ANYWHERE: u64 = 32 << 20;
            let page = [0; 4096];
            let segment = Segment::new(&page, ANYWHERE, page.len() as u64);
            let flags = kexec::ARCH_X86_64 | kexec::ON_CRASH;
            expect_errno(kexec::load(ANYWHERE, &[segment], flags), &[EADDRNOTAVAIL])
        });
    stage.report.test("nothing is loaded", |_| {
        ensure!(!kexec::crash_loaded()?, "kexec_crash_loaded says 1");
        ensure!(!xen.has_crash_image()?, "Xen says that something is");
        Ok(())
    });
    let loaded = loader.load_and_check(stage, Call::File, Lowest);
    stage
        .report
        .result("a default image can be loaded", &loaded);
    Ok(Next::PowerOff)
}

fn says(log: &mut KernelLog, what: &str) -> Result<()> {
    let lines = log.lines()?;
    let said = lines
        .iter()
        .any(|line| line.contains(what) && line.contains(ADVICE));
    ensure!(said, "the log does not say {what:?}: {lines:?}");
    Ok(())
}
