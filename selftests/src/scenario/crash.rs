//! A dom0 that crashes, and a crash kernel that looks at what is left of it.

use std::io;

use anyhow::Error;
use libc::{EADDRNOTAVAIL, EOPNOTSUPP};
use rkexec_protocol::choice::{Trigger, Way};
use rkexec_protocol::scenario::Crash;

use super::by_file;
use super::crash_image::CrashImage;
use super::loader::expect_refusal;
use super::prelude::*;
use crate::pressure::Pressure;
use crate::xen::Range;
use crate::{files, past_kernel};

const SIZE: &str = "/sys/kernel/kexec_crash_size";

pub fn run(stage: &mut Stage<'_>, crash: Crash) -> Result<Next> {
    let (way, xen) = (crash.call, Xen::open()?);
    let before = files::tainted()?;
    if matches!(way, Way::Tools | Way::Door) {
        if let Some(why) = past_kernel::unable_for_crash(&xen)? {
            stage.report.skip(way.name(), &why);
            return Ok(Next::PowerOff);
        }
    }
    let area = xen.crash_area()?.context("Xen has no crash area")?;
    if way != Way::Tools {
        stage.test("the kernel has no crash area", |_| no_area());
        stage.load_module();
        stage.test("the kernel has Xen's crash area", |_| has_area(&area));
        stage.test("and does not make it smaller", |_| stays_as_it_is(&area));
    }
    let mut pressure = match crash.pressure {
        0 => None,
        mib => Some((Pressure::mount(mib + 1)?, mib / 2)),
    };
    fill(stage.report, &mut pressure, "before the load");
    // A system that panics knows that it has crashed.
    let image = CrashImage::new(stage.told, crash, crash.trigger == Trigger::Sysrq)?;
    if crash.default {
        stage.test("a default image is loaded", |_| {
            image.loader.load(Call::File)
        });
    }
    load(stage.report, &image, way.name());
    fill(stage.report, &mut pressure, "while it is loaded");
    if crash.again {
        again(stage.report, &xen, &image, &area)?;
    }
    if let Some((pressure, _)) = &pressure {
        stage.test("dom0's memory is what it was", |_| {
            pressure.check()?;
            pressure.rewrite()?;
            pressure.check()
        });
    }
    if crash.default {
        stage.test("the default image is still loaded", |_| {
            image.expect_loaded(true)?;
            module::expect_map("default")
        });
    }
    stage.test("this kernel has had no trouble", |_| {
        files::expect_no_trouble_since(before)
    });
    Ok(match crash.amid {
        Some(what) => Next::CrashAmid(what),
        None => Next::Crash(crash.trigger),
    })
}

fn load(report: &mut Report, image: &CrashImage, name: &str) {
    report.test(name, |_| {
        image.load()?;
        image.expect_loaded(true)
    });
}

fn fill(report: &mut Report, pressure: &mut Option<(Pressure, u64)>, when: &str) {
    if let Some((pressure, mib)) = pressure {
        let name = format!("{mib} MiB of dom0's memory are taken {when}");
        report.test(&name, |_| pressure.fill(*mib));
    }
}

/// Everything that can happen to a crash image.
fn again(report: &mut Report, xen: &Xen, image: &CrashImage, area: &Range) -> Result<()> {
    type Unload = fn() -> io::Result<()>;
    load(report, image, "it is replaced");
    for (name, unload, next) in [
        (
            "kexec_load unloads it, twice",
            kexec::unload_crash as Unload,
            "it is loaded again",
        ),
        (
            "kexec_file_load unloads it, twice",
            kexec::file_unload_crash,
            "it is loaded once more",
        ),
    ] {
        report.test(name, |_| {
            for _ in 0..2 {
                unload()?;
                image.expect_loaded(false)?;
            }
            has_area(area)
        });
        load(report, image, next);
    }
    report.test("modprobe -r takes it away, and the crash area", |_| {
        module::unload()?;
        image.expect_loaded(false)?;
        no_area()?;
        let result = by_file::load(image.loader.cmdline(), kexec::FILE_ON_CRASH);
        expect_errno(result, &[EADDRNOTAVAIL])
    });
    if xen.kexec_interfaces().contains(&"V1") {
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
    load(report, image, "it is loaded for the crash");
    Ok(())
}

/// The module is to use the old interface, and this Xen does not have it any more.
fn no_v1() -> Result<()> {
    let mut log = KernelLog::from_now_on()?;
    let result = module::modprobe(&[module::NAME, "xen_abi=v1"]);
    ensure!(result.is_err(), "it is loaded");
    log.expect("has no kexec interface V1")
}

/// The module uses the old interface, which has nothing to put a hand-over in a crash area with.
fn without_v2(image: &CrashImage) -> Result<()> {
    const WHY: &str = "rkexec: image not loaded: crash images need Xen's kexec interface V2";
    module::modprobe(&[module::NAME, "xen_abi=v1"])?;
    expect_refusal(&[EOPNOTSUPP], WHY, || {
        let refused = |error: Error| error.downcast().unwrap_or_else(io::Error::other);
        image.load().map_err(refused)
    })?;
    image.expect_loaded(false)?;
    module::unload()
}

/// The lines of `/proc/iomem` for a crash area: start and last byte.
pub(super) fn areas() -> Result<Vec<(u64, u64)>> {
    let lines = procfs::iomem()?.into_iter().map(|(_, line)| line);
    let found = lines.filter(|line| line.name == "Crash kernel");
    Ok(found.map(|line| line.address).collect())
}

fn no_area() -> Result<()> {
    let (size, areas) = (files::value::<u64>(SIZE)?, areas()?);
    ensure!(size == 0, "{SIZE} says {size}");
    ensure!(areas.is_empty(), "/proc/iomem has {areas:x?}");
    Ok(())
}

fn has_area(area: &Range) -> Result<()> {
    let (size, areas) = (files::value::<u64>(SIZE)?, areas()?);
    ensure!(
        size == area.end - area.start,
        "{SIZE} says {size}, Xen {area:x?}"
    );
    ensure!(
        areas == [(area.start, area.end - 1)],
        "/proc/iomem has {areas:x?}, Xen {area:x?}"
    );
    Ok(())
}

fn stays_as_it_is(area: &Range) -> Result<()> {
    for smaller in [0, (area.end - area.start) / 2] {
        expect_errno(std::fs::write(SIZE, smaller.to_string()), &[EOPNOTSUPP])?;
        has_area(area)?;
    }
    Ok(())
}
