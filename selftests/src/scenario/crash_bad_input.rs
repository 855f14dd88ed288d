//! Crash images that must be refused, and some that just may be; all without harm to the default
//! image that is loaded. In the end the probe (`purgatory/probe/`) is the crash kernel: it is small
//! enough for any crash area, also for one that no Linux would fit in.
//!
//! Linux drops the crash image that it has before it looks at a new one, so none is left.

use std::fs;

use libc::{EADDRNOTAVAIL, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP};
use rkexec_protocol::choice::Trigger;

use super::by_file;
use super::loader::expect_refusal;
use super::prelude::*;
use super::probe::{tell_map, tell_memory, PROBE};
use crate::sys::kexec::{ARCH_X86_64, ON_CRASH, PRESERVE_CONTEXT};
use crate::xen::Range;

const MIB: u64 = 1 << 20;
/// What the hand-over and Xen need of the crash area at most.
const ROOM: u64 = 2 * MIB;
/// Segments that Xen leaves to the caller.
const SEGMENTS_MAX: u64 = 13;
const MODULE: &str = "rkexec: image not loaded: ";

type Image<'a> = (&'static str, Vec<Segment<'a>>);

struct Dom0 {
    xen: Xen,
    loader: Loader,
    /// Xen's free pages while only the default image is loaded.
    free: u64,
    area: Range,
}

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    let xen = Xen::open()?;
    let area = xen.crash_area()?.context("Xen has no crash area")?;
    let page = vec![0x90; PAGE as usize];
    stage.load_module();
    let loader = Loader::after(stage.told)?;
    loader.test(stage.report, "a default image is loaded", Call::File);
    let free = xen.free_pages()?;
    let dom0 = Dom0 {
        xen,
        loader,
        free,
        area: area.clone(),
    };
    stage.test("an image larger than the crash area", |_| {
        expect_refusal(&[EADDRNOTAVAIL], MODULE, || {
            by_file::load(dom0.loader.cmdline(), kexec::FILE_ON_CRASH)
        })?;
        dom0.only_default()
    });
    let refused = |entry, segments: &[_], flags, errors: &[_], why| {
        expect_refusal(errors, why, || {
            kexec::load(entry, segments, ARCH_X86_64 | ON_CRASH | flags)
        })?;
        dom0.only_default()
    };
    stage.test("an entry behind it", |_| {
        let segment = Segment::new(&page, area.start, PAGE);
        refused(area.end, &[segment], 0, &[EADDRNOTAVAIL], "")
    });
    stage.test("an image to come back from", |_| {
        let segment = Segment::new(&page, area.start, PAGE);
        let errors = &[EINVAL, EOPNOTSUPP];
        refused(area.start, &[segment], PRESERVE_CONTEXT, errors, "")
    });
    for (error, why, images) in bad_images(&page, &area) {
        for (name, segments) in images {
            stage.test(name, |_| refused(area.start, &segments, 0, &[error], why));
        }
    }
    for (name, segments) in good_images(&page, &area) {
        stage.test(name, |_| {
            load(area.start, &segments)?;
            dom0.both_and_unload()
        });
    }
    stage.test("images that leave more and more of it", |report| {
        dom0.more_and_more(report, &page)
    });
    let probe = fs::read(PROBE).context(PROBE)?;
    let place = (area.end - probe.len() as u64) & !(2 * MIB - 1);
    stage.test("the probe is loaded", |report| {
        load(place, &[Segment::new(&probe, place, probe.len() as u64)])?;
        dom0.both()?;
        tell_memory(report, &dom0.loader.machine)?;
        tell_map(report, &module::map("crash")?);
        Ok(())
    });
    Ok(Next::Crash(Trigger::DebugKey))
}

fn load(entry: u64, segments: &[Segment<'_>]) -> Result<()> {
    kexec::load(entry, segments, ARCH_X86_64 | ON_CRASH).context("kexec_load")
}

/// By the error, and by what the log has to say if it is the module that refuses them.
fn bad_images<'a>(page: &'a [u8], area: &Range) -> Vec<(i32, &'static str, Vec<Image<'a>>)> {
    let (start, end) = (area.start, area.end);
    let at = |address| Segment::new(page, address, PAGE);
    let across = |address| vec![Segment::new(page, address, 2 * PAGE)];
    let whole = Segment::new(page, start, end - start);
    let unreadable = Segment::unreadable(PAGE, start + PAGE, PAGE);
    let many = (0..=SEGMENTS_MAX).map(|n| at(start + n * PAGE)).collect();
    let outside = vec![
        ("a segment below it", vec![at(start - PAGE)]),
        ("a segment behind it", vec![at(end)]),
        ("a segment across its start", across(start - PAGE)),
        ("a segment across its end", across(end - PAGE)),
    ];
    let twice = vec![("two segments at one place", vec![at(start), at(start)])];
    let fault = vec![("data that cannot be read", vec![at(start), unreadable])];
    let many = vec![("one segment too many", many)];
    let full = vec![("a segment that fills it", vec![whole])];
    vec![
        (EADDRNOTAVAIL, "", outside),
        (EINVAL, "", twice),
        (EFAULT, MODULE, fault),
        (EINVAL, "at most", many),
        (ENOMEM, "", full),
    ]
}

fn good_images<'a>(page: &'a [u8], area: &Range) -> [Image<'a>; 4] {
    let (start, last) = (area.start, area.end - PAGE);
    let at = |address| Segment::new(page, address, PAGE);
    let many = || (0..SEGMENTS_MAX).map(|n| at(start + n * PAGE));
    let none = Segment::new(&[], start + SEGMENTS_MAX * PAGE, 0);
    let full = Segment::new(page, start, area.end - start - ROOM);
    let (all, more) = (many().collect(), many().chain([none]).collect());
    [
        ("as many segments as may be", all),
        ("as much as leaves room for the hand-over", vec![full]),
        ("as many segments as may be, and one of no bytes", more),
        ("its first and its last page", vec![at(start), at(last)]),
    ]
}

impl Dom0 {
    /// Loads images that leave more and more pages of the crash area: too few for the hand-over at
    /// first, then too few for what Xen wants besides, then enough.
    fn more_and_more(&self, report: &mut Report, page: &[u8]) -> Result<()> {
        let Range { start, end } = self.area;
        for (refused, pages) in (1..ROOM / PAGE).step_by(3).enumerate() {
            let segment = Segment::new(page, start, end - start - pages * PAGE);
            let mut log = KernelLog::from_now_on()?;
            let result = kexec::load(start, &[segment], ARCH_X86_64 | ON_CRASH);
            if result.is_ok() {
                self.both_and_unload()?;
                report.note(&format!("{pages} pages are enough"));
                ensure!(refused > 0, "so few pages are enough");
                return Ok(());
            }
            expect_errno(result, &[ENOMEM, EADDRNOTAVAIL])?;
            log.expect(MODULE)?;
            self.only_default()?;
        }
        bail!("not even {} pages are enough", ROOM / PAGE)
    }

    /// Checks that no crash image is loaded, that the default image is, and that Xen has lost
    /// nothing.
    fn only_default(&self) -> Result<()> {
        self.expect_crash_loaded(false)?;
        self.expect_default()?;
        self.loader.expect_free(self.free)
    }

    fn both(&self) -> Result<()> {
        self.expect_crash_loaded(true)?;
        module::expect_map("crash")?;
        self.expect_default()
    }

    fn both_and_unload(&self) -> Result<()> {
        self.both()?;
        kexec::unload_crash()?;
        self.only_default()
    }

    fn expect_default(&self) -> Result<()> {
        self.loader.expect_loaded(true).context("the default image")
    }

    fn expect_crash_loaded(&self, loaded: bool) -> Result<()> {
        kexec::expect_crash_loaded(loaded)?;
        let xen = self.xen.has_crash_image()?;
        ensure!(xen == loaded, "Xen says that one is loaded: {xen}");
        Ok(())
    }
}
