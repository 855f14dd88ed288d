//! A dom0 that crashes, and a crash kernel that looks at what is left of it.
//!
//! `vmtest.call=` a [`Way`] to load the crash kernel; `vmtest.trigger=` a [`Trigger`];
//! `vmtest.default=1`: a default image is loaded, too; `vmtest.again=1`: it is loaded, replaced,
//! unloaded, gone with the module and loaded again before; `vmtest.pressure=` so many MiB of dom0's
//! memory have to stay what they are all the while; `vmtest.lockdown=LEVEL`: the kernel is locked down
//! when `kexec_file_load` comes.

use std::io;

use anyhow::{ensure, Context, Result};
use libc::{EADDRNOTAVAIL, EOPNOTSUPP};

use super::crash_image::{CrashImage, Way};
use super::loader::{expect_errno, file_load_with, Call};
use super::{Next, Stage1};
use crate::kernel_log::KernelLog;
use crate::places::Destination::Lowest;
use crate::pressure::Pressure;
use crate::report::Report;
use crate::sys::kexec;
use crate::trigger::Trigger;
use crate::xen::{Range, Xen};
use crate::{module, past_kernel};

const SIZE: &str = "/sys/kernel/kexec_crash_size";

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let way: Way = stage.params.need("call")?;
    let trigger: Trigger = stage.params.need("trigger")?;
    let with_default = stage.params.get::<u32>("default")?.is_some();
    let xen = Xen::open()?;
    if way == Way::Tools {
        if let Some(why) = past_kernel::unable_for_crash(&xen)? {
            stage.report.skip(way.name(), &why);
            return Ok(Next::PowerOff);
        }
    }
    let area = xen.crash_area()?.context("Xen has no crash area")?;
    if way != Way::Tools {
        stage
            .report
            .test("the kernel has no crash area", |_| no_area());
        stage.report.test("modprobe rkexec", |_| module::load());
        stage
            .report
            .test("the kernel has Xen's crash area", |_| has_area(area));
        stage
            .report
            .test("and does not make it smaller", |_| stays_as_it_is(area));
    }
    let mut pressure = match stage.params.get::<u64>("pressure")? {
        Some(mib) => Some((Pressure::mount(mib + 1)?, mib / 2)),
        None => None,
    };
    fill(stage.report, &mut pressure, "before the load");
    let image = CrashImage::new(stage, way, trigger == Trigger::Sysrq, with_default)?;
    if with_default {
        stage.report.test("a default image is loaded", |_| {
            image.loader.try_load(Call::File, Lowest)
        });
    }
    stage.report.test(way.name(), |_| {
        image.load()?;
        image.expect_loaded(true)
    });
    fill(stage.report, &mut pressure, "while it is loaded");
    if stage.params.get::<u32>("again")?.is_some() {
        again(stage.report, &xen, &image, area)?;
    }
    if let Some((pressure, _)) = &pressure {
        stage.report.test("dom0's memory is what it was", |_| {
            pressure.check()?;
            pressure.rewrite()?;
            pressure.check()
        });
    }
    if with_default {
        stage.report.test("the default image is still loaded", |_| {
            image.expect_loaded(true)?;
            module::expect_map("default")
        });
    }
    stage
        .report
        .test("this kernel has had no trouble", |_| no_trouble());
    Ok(Next::Crash(trigger))
}

fn fill(report: &mut Report, pressure: &mut Option<(Pressure, u64)>, when: &str) {
    if let Some((pressure, mib)) = pressure {
        report.test(
            &format!("{mib} MiB of dom0's memory are taken {when}"),
            |_| pressure.fill(*mib),
        );
    }
}

/// Everything that can happen to a crash image.
fn again(report: &mut Report, xen: &Xen, image: &CrashImage, area: Range) -> Result<()> {
    let load = |report: &mut Report, name: &str| {
        report.test(name, |_| {
            image.load()?;
            image.expect_loaded(true)
        });
    };
    load(report, "it is replaced");
    report.test("kexec_load unloads it, twice", |_| {
        for _ in 0..2 {
            kexec::unload_crash()?;
            image.expect_loaded(false)?;
        }
        has_area(area)
    });
    load(report, "it is loaded again");
    report.test("kexec_file_load unloads it, twice", |_| {
        for _ in 0..2 {
            kexec::file_unload_crash()?;
            image.expect_loaded(false)?;
        }
        has_area(area)
    });
    load(report, "it is loaded once more");
    report.test("modprobe -r takes it away, and the crash area", |_| {
        module::unload()?;
        image.expect_loaded(false)?;
        no_area()?;
        let result = file_load_with(image.loader.cmdline(), kexec::FILE_ON_CRASH);
        expect_errno(result, &[EADDRNOTAVAIL])
    });
    if xen.kexec_interfaces()?.contains(&"V1") {
        report.test("it is refused without Xen's interface V2", |_| {
            without_v2(image)
        });
    } else {
        report.test("the module is refused by Xen's interface V1", |_| no_v1());
    }
    report.test("modprobe brings the crash area back", |_| {
        module::load()?;
        image.expect_loaded(false)?;
        has_area(area)
    });
    load(report, "it is loaded for the crash");
    Ok(())
}

/// The module is to use the old interface, and this Xen does not have it any more.
fn no_v1() -> Result<()> {
    const WHY: &str = "has no kexec interface V1";
    let mut log = KernelLog::from_now_on()?;
    let result = module::modprobe(&[module::NAME, "xen_abi=v1"]);
    ensure!(result.is_err(), "it is loaded");
    let lines = log.lines()?;
    let said = lines.iter().any(|line| line.contains(WHY));
    ensure!(said, "the log does not say why: {lines:?}");
    Ok(())
}

/// The module uses the old interface, which has nothing to put a hand-over in a crash area with.
fn without_v2(image: &CrashImage) -> Result<()> {
    const WHY: &str = "rkexec: image not loaded: crash images need Xen's kexec interface V2";
    module::modprobe(&[module::NAME, "xen_abi=v1"])?;
    let mut log = KernelLog::from_now_on()?;
    let result = match image.load() {
        Ok(()) => Ok(()),
        Err(error) => Err(error.downcast::<io::Error>()?),
    };
    expect_errno(result, &[EOPNOTSUPP])?;
    let lines = log.lines()?;
    let said = lines.iter().any(|line| line.contains(WHY));
    ensure!(said, "the log does not say why: {lines:?}");
    image.expect_loaded(false)?;
    module::unload()
}

fn size() -> Result<u64> {
    let text = std::fs::read_to_string(SIZE).context(SIZE)?;
    text.trim().parse().context(SIZE)
}

/// The lines of `/proc/iomem` for a crash area: start and last byte.
fn areas() -> Result<Vec<(u64, u64)>> {
    let iomem = std::fs::read_to_string("/proc/iomem").context("/proc/iomem")?;
    let lines = iomem.lines();
    let found = lines.filter_map(|line| line.trim().strip_suffix(" : Crash kernel"));
    let parse = |range: &str| -> Result<(u64, u64)> {
        let (start, last) = range.split_once('-').context("/proc/iomem")?;
        Ok((
            u64::from_str_radix(start, 16)?,
            u64::from_str_radix(last, 16)?,
        ))
    };
    found.map(parse).collect()
}

fn no_area() -> Result<()> {
    let (size, areas) = (size()?, areas()?);
    ensure!(size == 0, "{SIZE} says {size}");
    ensure!(areas.is_empty(), "/proc/iomem has {areas:x?}");
    Ok(())
}

fn has_area(area: Range) -> Result<()> {
    let (size, areas) = (size()?, areas()?);
    ensure!(size == area.bytes, "{SIZE} says {size}, Xen {area:x?}");
    ensure!(
        areas == [(area.start, area.end() - 1)],
        "/proc/iomem has {areas:x?}, Xen {area:x?}"
    );
    Ok(())
}

fn stays_as_it_is(area: Range) -> Result<()> {
    for smaller in [0, area.bytes / 2] {
        expect_errno(std::fs::write(SIZE, smaller.to_string()), &[EOPNOTSUPP])?;
        has_area(area)?;
    }
    Ok(())
}

/// The kernel's marks of a warning, an oops and a bad page
/// (Documentation/admin-guide/tainted-kernels.rst).
fn no_trouble() -> Result<()> {
    const TROUBLE: u64 = (1 << 9) | (1 << 7) | (1 << 5);
    let path = "/proc/sys/kernel/tainted";
    let tainted: u64 = std::fs::read_to_string(path)?
        .trim()
        .parse()
        .context(path)?;
    ensure!(tainted & TROUBLE == 0, "tainted: {tainted:#x}");
    Ok(())
}
