//! A dom0 whose Xen has no crash area: no crash image can be loaded, and everything says why.

use libc::EADDRNOTAVAIL;

use super::by_file;
use super::prelude::*;

/// What the module says: at first as a remark, then as a reason; and what there is to do.
const REMARK: &str = "rkexec: crash images cannot be loaded: Xen has no crash area";
const REASON: &str = "rkexec: image not loaded: Xen has no crash area";
const ADVICE: &str = "give Xen the option crashkernel=";

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    let xen = Xen::open()?;
    let mut log = KernelLog::from_now_on()?;
    stage.test("modprobe rkexec says it", |_| {
        ensure!(xen.crash_area()?.is_none(), "Xen has a crash area");
        module::load()?;
        log.expect_all(&[REMARK, ADVICE])
    });
    let loader = Loader::after(stage.told)?;
    stage.test("kexec_file_load says it again", |_| {
        let result = by_file::load(loader.cmdline(), kexec::FILE_ON_CRASH);
        expect_errno(result, &[EADDRNOTAVAIL])?;
        log.expect_all(&[REASON, ADVICE])
    });
    stage.test("kexec_load is refused by the kernel", |_| {
        let segment = Segment::new(&[0; PAGE as usize], PLACE, PAGE);
        let flags = kexec::ARCH_X86_64 | kexec::ON_CRASH;
        expect_errno(kexec::load(PLACE, &[segment], flags), &[EADDRNOTAVAIL])
    });
    stage.test("nothing is loaded", |_| {
        kexec::expect_crash_loaded(false)?;
        ensure!(!xen.has_crash_image()?, "Xen says that something is");
        Ok(())
    });
    loader.test(stage.report, "a default image can be loaded", Call::File);
    Ok(Next::PowerOff)
}
