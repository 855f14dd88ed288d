//! Loads that must fail, each with the right error, and all without harm to the image that is
//! loaded already, which is booted in the end.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use anyhow::{bail, ensure, Context, Result};
use libc::{EADDRNOTAVAIL, EFAULT, EINVAL, ENOEXEC, ENOMEM, EOPNOTSUPP};
use memmap2::MmapMut;
use nix::fcntl::posix_fallocate;
use nix::sys::memfd::{memfd_create, MFdFlags};

use super::loader::{expect_errno, Call, Loader};
use super::{Next, Stage1};
use crate::kernel_log::KernelLog;
use crate::places::Destination;
use crate::sys::kexec::{self, Segment, ARCH_AARCH64, ARCH_X86_64, PRESERVE_CONTEXT};
use crate::{module, xen};

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;
/// A place that is usable memory on every machine of the tests.
const RAM: u64 = 32 * MIB;

/// A load that must fail, and how.
struct Bad<'a> {
    name: &'a str,
    errors: &'a [i32],
    entry: u64,
    segments: Vec<Segment<'a>>,
    flags: u64,
}

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    if stage.params.get::<String>("module")?.is_some() {
        for value in ["v3", "V2", ""] {
            let parameter = format!("xen_abi={value}");
            let name = format!("modprobe rkexec {parameter} is refused");
            stage.report.test(&name, |_| refused(&parameter));
        }
        stage.report.test("modprobe rkexec", |_| module::load());
    }
    let loader = Loader::new(stage)?;
    let good = loader.load_and_check(stage, Call::File, Destination::Lowest);
    stage.report.result("a good image is loaded", &good);
    let free = loader.free_pages()?;
    let untouched = || -> Result<()> {
        loader.expect_loaded(true).context("the good image")?;
        let now = loader.free_pages()?;
        ensure!(
            now == free,
            "Xen had {free} free pages with the good image, and now {now}"
        );
        Ok(())
    };
    for length in [0, 16, 600, 1000, 2000] {
        stage
            .report
            .test(&format!("a kernel that ends after {length} bytes"), |_| {
                let kernel = loader
                    .kernel()
                    .get(..length)
                    .context("a very small kernel")?;
                expect_errno(file_load(kernel)?, &[ENOEXEC, EINVAL])?;
                untouched()
            });
    }
    stage.report.test("a kernel of nothing but zeros", |_| {
        expect_errno(file_load(&[0; 1 << 20])?, &[ENOEXEC, EINVAL])?;
        untouched()
    });
    let page = vec![0x90; PAGE as usize];
    let ram_end = loader
        .machine
        .ram()
        .entries()
        .last()
        .map_or(0, |last| last.end);
    for bad in bad_loads(&page, ram_end) {
        stage.report.test(bad.name, |_| {
            expect_errno(kexec::load(bad.entry, &bad.segments, bad.flags), bad.errors)?;
            untouched()
        });
    }
    // The kernel's own code would rather panic than give up (GFP_HIGHUSER, and init is all there is
    // to kill).
    if xen::is_dom0() {
        stage
            .report
            .test("an image for which there is not enough memory", |report| {
                let result = load_without_memory(report)?;
                expect_errno(result, &[ENOMEM])?;
                untouched()
            });
    }
    Ok(Next::Exec)
}

/// The module does not load with this parameter, and says what it could be.
fn refused(parameter: &str) -> Result<()> {
    let mut log = KernelLog::from_now_on()?;
    let said = match module::modprobe(&[module::NAME, parameter]) {
        Ok(()) => bail!("it is loaded"),
        Err(error) => format!("{error:#}"),
    };
    ensure!(said.contains("Invalid argument"), "modprobe said: {said}");
    ensure!(!module::is_loaded(), "it is refused, and loaded");
    let line = format!("rkexec: not loaded: {parameter}: it can be auto, v2 or v1");
    ensure!(
        log.lines()?.iter().any(|said| said.contains(&line)),
        "the log does not say: {line}"
    );
    Ok(())
}

fn bad_loads(page: &[u8], ram_end: u64) -> Vec<Bad<'_>> {
    let at = |address| Segment::new(page, address, PAGE);
    let bad = |name, errors, segments| Bad {
        name,
        errors,
        entry: RAM,
        segments,
        flags: ARCH_X86_64,
    };
    const HOLE: &[i32] = &[EADDRNOTAVAIL];
    const INVALID: &[i32] = &[EINVAL];
    let flagged = |name, errors, flags| Bad {
        flags,
        ..bad(name, errors, vec![at(RAM)])
    };
    vec![
        flagged("an image for another architecture", INVALID, ARCH_AARCH64),
        flagged("flags that nobody knows", INVALID, ARCH_X86_64 | 0x8000),
        flagged(
            "an image to come back from",
            &[EINVAL, EOPNOTSUPP],
            ARCH_X86_64 | PRESERVE_CONTEXT,
        ),
        bad("two segments at one place", INVALID, vec![at(RAM), at(RAM)]),
        bad(
            "a segment inside another one",
            INVALID,
            vec![Segment::new(page, RAM, 4 * PAGE), at(RAM + PAGE)],
        ),
        bad("a destination inside a page", HOLE, vec![at(RAM + 16)]),
        bad(
            "a size that is no whole page",
            HOLE,
            vec![Segment::new(&page[..16], RAM, 100)],
        ),
        bad(
            "more data than memory",
            INVALID,
            vec![Segment::claiming(page, 2 * PAGE, RAM, PAGE)],
        ),
        bad(
            "seventeen segments",
            INVALID,
            (0..17).map(|n| at(RAM + n * PAGE)).collect(),
        ),
        bad(
            "a segment behind the last address",
            HOLE,
            vec![at(u64::MAX - PAGE + 1)],
        ),
        bad(
            "a segment behind all memory",
            HOLE,
            vec![at(ram_end + 16 * MIB)],
        ),
        bad(
            "a segment that ends behind the last memory",
            HOLE,
            vec![Segment::new(page, ram_end - PAGE, 2 * PAGE)],
        ),
        bad("a segment in the video memory", HOLE, vec![at(0xa_0000)]),
        bad(
            "a segment across the video memory",
            HOLE,
            vec![Segment::new(page, 0x9_0000, 0x8_0000)],
        ),
        bad(
            "a segment on the interrupt controller",
            HOLE,
            vec![at(0xfee0_0000)],
        ),
        bad(
            "one bad segment behind good ones",
            HOLE,
            vec![at(RAM), at(RAM + PAGE), at(0xfee0_0000)],
        ),
        bad(
            "data that cannot be read",
            &[EFAULT],
            vec![at(RAM), Segment::unreadable(PAGE, RAM + PAGE, PAGE)],
        ),
    ]
}

fn file_load(kernel: &[u8]) -> Result<io::Result<()>> {
    let file = memfd_create(c"kernel", MFdFlags::empty()).context("memfd_create")?;
    let mut file = File::from(file);
    io::Write::write_all(&mut file, kernel)?;
    let cmdline: &CStr = c"quiet";
    Ok(kexec::file_load(file.as_fd(), None, cmdline, 0))
}

/// Leaves little memory free, and loads an image that needs more.
fn load_without_memory(report: &mut crate::report::Report) -> Result<io::Result<()>> {
    const LEFT: u64 = 150 * MIB;
    const WANTED: u64 = 300 * MIB;
    let info = std::fs::read_to_string("/proc/meminfo")?;
    let available = info
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let available = available.and_then(|text| text.trim().strip_suffix(" kB"));
    let available = available.context("MemAvailable")?.trim().parse::<u64>()? << 10;
    report.note(&format!("{} MiB are available", available >> 20));
    // A file in memory: unlike pages of a process, it takes no page table to fill.
    let hog = memfd_create(c"hog", MFdFlags::empty()).context("memfd_create")?;
    let taken = i64::try_from(available.saturating_sub(LEFT))?;
    posix_fallocate(&hog, 0, taken).context("taking memory")?;
    // Reading it gives zeros out of one page, so this takes no memory by itself.
    let data = MmapMut::map_anon(usize::try_from(WANTED)?)?;
    let result = kexec::load(RAM, &[Segment::new(&data, RAM, WANTED)], ARCH_X86_64);
    drop(hog);
    Ok(result)
}
