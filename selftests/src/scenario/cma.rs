//! A kernel with memory of CMA (`cma=`), where it places segments of `kexec_file_load` if it can.

use super::by_file;
use super::prelude::*;
use crate::files;

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    stage.load_module();
    let loader = Loader::new(Plan::after(stage.told))?;
    let free = cma_free()?;
    ensure!(free > 0, "this kernel has no memory of CMA");
    let report = &mut *stage.report;
    report.test(
        "an image that would overwrite itself is refused, and it says why",
        |_| {
            let mut log = KernelLog::from_now_on()?;
            expect_errno(by_file::load(loader.cmdline(), 0), &[libc::EOPNOTSUPP])?;
            log.expect("unpack itself over its initrd")?;
            expect_near(cma_free()?, free)?;
            kexec::expect_loaded(false)
        },
    );
    report.test("without CMA all of it is loaded", |_| {
        by_file::load(loader.cmdline(), kexec::FILE_NO_CMA).context("kexec_file_load")?;
        expect_near(cma_free()?, free)
    });
    Ok(Next::Exec)
}

/// The kernel lends such memory to anybody who can be moved; but not as much as an image takes, which is
/// 60 MiB at least.
fn expect_near(left: u64, before: u64) -> Result<()> {
    const LENT_KIB: u64 = 24 << 10;
    ensure!(left + LENT_KIB >= before, "{left} of {before} KiB are left");
    Ok(())
}

/// Free memory of CMA in KiB.
fn cma_free() -> Result<u64> {
    let info = files::read("/proc/meminfo")?;
    let mut lines = info.lines();
    let free = lines.find_map(|line| line.strip_prefix("CmaFree:"));
    let number = free.and_then(|it| it.split_whitespace().next());
    Ok(number.context("/proc/meminfo has no CmaFree")?.parse()?)
}
