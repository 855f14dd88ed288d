//! Crash images that must be refused, and some that just may be; all without harm to the default
//! image that is loaded. In the end the probe (`purgatory/probe/`) is the crash kernel: it is small
//! enough for any crash area, also for one that no Linux would fit in.
//!
//! Linux drops the crash image that it has before it looks at a new one, so none is left.

use std::fs;

use anyhow::{bail, ensure, Context, Result};
use libc::{EADDRNOTAVAIL, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP};

use super::loader::{expect_errno, file_load_with, Call, Loader};
use super::probe::{tell_memory, PROBE};
use super::{Next, Stage1};
use crate::kernel_log::KernelLog;
use crate::module;
use crate::places::Destination::Lowest;
use crate::report::Report;
use crate::sys::kexec::{self, Segment, ARCH_X86_64, ON_CRASH, PRESERVE_CONTEXT};
use crate::trigger::Trigger;
use crate::xen::{Range, Xen};

const PAGE: u64 = 4096;
const MIB: u64 = 1 << 20;
/// What the hand-over and Xen need of the crash area at most.
const ROOM: u64 = 2 * MIB;
/// Segments that Xen leaves to the caller.
const SEGMENTS_MAX: u64 = 13;

/// A load that must fail: how, and what the log has to say if it is the module that refuses it.
struct Bad<'a> {
    name: &'a str,
    errors: &'a [i32],
    says: &'a str,
    entry: u64,
    segments: Vec<Segment<'a>>,
    flags: u64,
}

struct Dom0 {
    xen: Xen,
    loader: Loader,
    /// Xen's free pages while only the default image is loaded.
    free: u64,
}

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let xen = Xen::open()?;
    let area = xen.crash_area()?.context("Xen has no crash area")?;
    let page = vec![0x90; PAGE as usize];
    stage.report.test("modprobe rkexec", |_| module::load());
    let loader = Loader::new(stage)?;
    let good = loader.load_and_check(stage, Call::File, Lowest);
    stage.report.result("a default image is loaded", &good);
    let free = xen.free_pages()?;
    let dom0 = Dom0 { xen, loader, free };
    stage
        .report
        .test("an image larger than the crash area", |_| {
            let mut log = KernelLog::from_now_on()?;
            let cmdline = dom0.loader.cmdline();
            let result = file_load_with(cmdline, kexec::FILE_ON_CRASH);
            expect_errno(result, &[EADDRNOTAVAIL])?;
            expect_said(&mut log, "rkexec: image not loaded: ")?;
            dom0.only_default()
        });
    for bad in bad_loads(&page, area) {
        stage.report.test(bad.name, |_| {
            let mut log = KernelLog::from_now_on()?;
            let flags = ARCH_X86_64 | ON_CRASH | bad.flags;
            expect_errno(kexec::load(bad.entry, &bad.segments, flags), bad.errors)?;
            expect_said(&mut log, bad.says)?;
            dom0.only_default()
        });
    }
    for (name, segments) in good_loads(&page, area) {
        stage.report.test(name, |_| {
            load(area.start, &segments)?;
            dom0.both()?;
            kexec::unload_crash()?;
            dom0.only_default()
        });
    }
    stage
        .report
        .test("images that leave more and more of it", |report| {
            dom0.more_and_more(report, &page, area)
        });
    let probe = fs::read(PROBE).context(PROBE)?;
    let place = (area.end() - probe.len() as u64) & !(2 * MIB - 1);
    stage.report.test("the probe is loaded", |report| {
        load(place, &[Segment::new(&probe, place, probe.len() as u64)])?;
        dom0.both()?;
        tell_memory(report, &dom0.loader.machine)?;
        for line in module::map("crash")? {
            report.note(&format!("map: {line}"));
        }
        Ok(())
    });
    Ok(Next::Crash(Trigger::DebugKey))
}

fn load(entry: u64, segments: &[Segment<'_>]) -> Result<()> {
    kexec::load(entry, segments, ARCH_X86_64 | ON_CRASH).context("kexec_load")
}

fn expect_said(log: &mut KernelLog, text: &str) -> Result<()> {
    let lines = log.lines()?;
    ensure!(
        text.is_empty() || lines.iter().any(|line| line.contains(text)),
        "the log does not say {text:?}: {lines:?}"
    );
    Ok(())
}

fn bad_loads(page: &[u8], area: Range) -> Vec<Bad<'_>> {
    const MODULE: &str = "rkexec: image not loaded: ";
    let (start, end) = (area.start, area.end());
    let at = |address| Segment::new(page, address, PAGE);
    let bad = |name, errors, says, segments| Bad {
        name,
        errors,
        says,
        entry: start,
        segments,
        flags: 0,
    };
    const OUTSIDE: &[i32] = &[EADDRNOTAVAIL];
    vec![
        bad("a segment below it", OUTSIDE, "", vec![at(start - PAGE)]),
        bad("a segment behind it", OUTSIDE, "", vec![at(end)]),
        bad(
            "a segment across its start",
            OUTSIDE,
            "",
            vec![Segment::new(page, start - PAGE, 2 * PAGE)],
        ),
        bad(
            "a segment across its end",
            OUTSIDE,
            "",
            vec![Segment::new(page, end - PAGE, 2 * PAGE)],
        ),
        Bad {
            entry: end,
            ..bad("an entry behind it", OUTSIDE, "", vec![at(start)])
        },
        bad(
            "two segments at one place",
            &[EINVAL],
            "",
            vec![at(start), at(start)],
        ),
        bad(
            "data that cannot be read",
            &[EFAULT],
            MODULE,
            vec![at(start), Segment::unreadable(PAGE, start + PAGE, PAGE)],
        ),
        Bad {
            flags: PRESERVE_CONTEXT,
            ..bad(
                "an image to come back from",
                &[EINVAL, EOPNOTSUPP],
                "",
                vec![at(start)],
            )
        },
        bad(
            "one segment too many",
            &[EINVAL],
            "at most",
            (0..=SEGMENTS_MAX).map(|n| at(start + n * PAGE)).collect(),
        ),
        bad(
            "a segment that fills it",
            &[ENOMEM],
            "",
            vec![Segment::new(page, start, area.bytes)],
        ),
    ]
}

fn good_loads(page: &[u8], area: Range) -> Vec<(&'static str, Vec<Segment<'_>>)> {
    let at = |address| Segment::new(page, address, PAGE);
    let full = Segment::new(page, area.start, area.bytes - ROOM);
    vec![
        ("as many segments as may be", {
            let places = 0..SEGMENTS_MAX;
            places.map(|n| at(area.start + n * PAGE)).collect()
        }),
        ("as much as leaves room for the hand-over", vec![full]),
        ("as many segments as may be, and one of no bytes", {
            let places = 0..SEGMENTS_MAX;
            let all = places.map(|n| at(area.start + n * PAGE));
            let none = Segment::new(&[], area.start + SEGMENTS_MAX * PAGE, 0);
            all.chain([none]).collect()
        }),
        ("its first and its last page", {
            vec![at(area.start), at(area.end() - PAGE)]
        }),
    ]
}

impl Dom0 {
    /// Loads images that leave more and more pages of the crash area: too few for the hand-over at
    /// first, then too few for what Xen wants besides, then enough.
    fn more_and_more(&self, report: &mut Report, page: &[u8], area: Range) -> Result<()> {
        for (refused, pages) in (1..ROOM / PAGE).step_by(3).enumerate() {
            let segment = Segment::new(page, area.start, area.bytes - pages * PAGE);
            let mut log = KernelLog::from_now_on()?;
            let result = kexec::load(area.start, &[segment], ARCH_X86_64 | ON_CRASH);
            if result.is_ok() {
                self.both()?;
                kexec::unload_crash()?;
                self.only_default()?;
                report.note(&format!("{pages} pages are enough"));
                ensure!(refused > 0, "so few pages are enough");
                return Ok(());
            }
            expect_errno(result, &[ENOMEM, EADDRNOTAVAIL])?;
            expect_said(&mut log, "rkexec: image not loaded: ")?;
            self.only_default()?;
        }
        bail!("not even {} pages are enough", ROOM / PAGE)
    }

    /// Checks that no crash image is loaded, that the default image is, and that Xen has lost
    /// nothing.
    fn only_default(&self) -> Result<()> {
        self.crash_loaded(false)?;
        self.loader
            .expect_loaded(true)
            .context("the default image")?;
        let now = self.xen.free_pages()?;
        ensure!(
            now == self.free,
            "Xen had {} free pages with the default image, and now {now}",
            self.free
        );
        Ok(())
    }

    fn both(&self) -> Result<()> {
        self.crash_loaded(true)?;
        module::expect_map("crash")?;
        self.loader.expect_loaded(true).context("the default image")
    }

    fn crash_loaded(&self, loaded: bool) -> Result<()> {
        let (kernel, xen) = (kexec::crash_loaded()?, self.xen.has_crash_image()?);
        ensure!(kernel == loaded, "kexec_crash_loaded says {kernel}");
        ensure!(xen == loaded, "Xen says that one is loaded: {xen}");
        Ok(())
    }
}
