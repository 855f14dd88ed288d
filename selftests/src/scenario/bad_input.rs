//! Loads that must fail, each with the right error, and all without harm to the image that is
//! loaded already, which is booted in the end.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use libc::{EADDRNOTAVAIL, EFAULT, EINVAL, ENOEXEC, ENOMEM, EOPNOTSUPP};
use memmap2::MmapMut;
use nix::fcntl::posix_fallocate;
use nix::sys::memfd::{memfd_create, MFdFlags};
use procfs::{Current, Meminfo};

use super::prelude::*;
use crate::sys::kexec::{ARCH_AARCH64, ARCH_X86_64, PRESERVE_CONTEXT};

const MIB: u64 = 1 << 20;

/// An image that must be refused.
type Bad<'a> = (&'a str, Vec<Segment<'a>>);

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    for value in ["v3", "V2", ""] {
        let parameter = format!("xen_abi={value}");
        let name = format!("modprobe rkexec {parameter} is refused");
        stage.test(&name, |_| refused(&parameter));
    }
    stage.load_module();
    let loader = Loader::after(stage.told)?;
    loader.test(stage.report, "a good image is loaded", Call::File);
    let free = loader.free_pages()?;
    let untouched = || -> Result<()> {
        loader.expect_loaded(true).context("the good image")?;
        loader.expect_free(free)
    };
    for length in [0, 16, 600, 1000, 2000] {
        let name = format!("a kernel that ends after {length} bytes");
        stage.test(&name, |_| {
            let kernel = loader.kernel().get(..length);
            let loaded = file_load(kernel.context("a very small kernel")?)?;
            expect_errno(loaded, &[ENOEXEC, EINVAL])?;
            untouched()
        });
    }
    stage.test("a kernel of nothing but zeros", |_| {
        expect_errno(file_load(&[0; 1 << 20])?, &[ENOEXEC, EINVAL])?;
        untouched()
    });
    let page = vec![0x90; PAGE as usize];
    let ram = loader.machine.ram();
    let ram_end = ram.entries().last().map_or(0, |last| last.end);
    for (name, errors, flags) in bad_flags() {
        stage.test(name, |_| {
            let segment = Segment::new(&page, PLACE, PAGE);
            expect_errno(kexec::load(PLACE, &[segment], flags), errors)?;
            untouched()
        });
    }
    for (error, images) in bad_segments(&page, ram_end) {
        for (name, segments) in images {
            stage.test(name, |_| {
                let loaded = kexec::load(PLACE, &segments, ARCH_X86_64);
                expect_errno(loaded, &[error])?;
                untouched()
            });
        }
    }
    // The kernel's own code would rather panic than give up (GFP_HIGHUSER, and init is all there is
    // to kill).
    if xen::is_dom0() {
        let name = "an image for which there is not enough memory";
        stage.test(name, |report| {
            expect_errno(load_without_memory(report)?, &[ENOMEM])?;
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
    log.expect(&format!(
        "rkexec: not loaded: {parameter}: it can be auto, v2 or v1"
    ))
}

/// One good segment, and flags that are not.
fn bad_flags() -> [(&'static str, &'static [i32], u64); 3] {
    const BACK: u64 = ARCH_X86_64 | PRESERVE_CONTEXT;
    const UNKNOWN: u64 = ARCH_X86_64 | 0x8000;
    [
        ("an image for another machine", &[EINVAL], ARCH_AARCH64),
        ("flags that nobody knows", &[EINVAL], UNKNOWN),
        ("an image to come back from", &[EINVAL, EOPNOTSUPP], BACK),
    ]
}

/// Segments that are not what they should be, by the error.
fn bad_segments(page: &[u8], ram_end: u64) -> Vec<(i32, Vec<Bad<'_>>)> {
    const CONTROLLER: u64 = 0xfee0_0000;
    const VIDEO: u64 = 0xa_0000;
    let at = |address| Segment::new(page, address, PAGE);
    let from = |address, bytes| Segment::new(page, address, bytes);
    let in_ram = |number: u64| at(PLACE + number * PAGE);
    let inside = vec![from(PLACE, 4 * PAGE), in_ram(1)];
    let short = Segment::claiming(page, 2 * PAGE, PLACE, PAGE);
    let part = Segment::new(&page[..16], PLACE, 100);
    let last = from(ram_end - PAGE, 2 * PAGE);
    let one_bad = vec![in_ram(0), in_ram(1), at(CONTROLLER)];
    let unreadable = Segment::unreadable(PAGE, PLACE + PAGE, PAGE);
    let invalid = vec![
        ("two segments at one place", vec![in_ram(0), in_ram(0)]),
        ("a segment inside another one", inside),
        ("more data than memory", vec![short]),
        ("seventeen segments", (0..17).map(in_ram).collect()),
    ];
    let holes = vec![
        ("a destination inside a page", vec![at(PLACE + 16)]),
        ("a size that is no whole page", vec![part]),
        (
            "a segment behind the last address",
            vec![at(u64::MAX - PAGE + 1)],
        ),
        ("a segment behind all memory", vec![at(ram_end + 16 * MIB)]),
        ("a segment that ends behind the last memory", vec![last]),
        ("a segment in the video memory", vec![at(VIDEO)]),
        ("a segment across it", vec![from(0x9_0000, 0x8_0000)]),
        ("one on the interrupt controller", vec![at(CONTROLLER)]),
        ("one bad segment behind good ones", one_bad),
    ];
    let faults = vec![("data that cannot be read", vec![in_ram(0), unreadable])];
    vec![(EINVAL, invalid), (EADDRNOTAVAIL, holes), (EFAULT, faults)]
}

fn file_load(kernel: &[u8]) -> Result<io::Result<()>> {
    let file = memfd_create(c"kernel", MFdFlags::empty()).context("memfd_create")?;
    let mut file = File::from(file);
    file.write_all(kernel)?;
    Ok(kexec::file_load(file.as_fd(), None, c"quiet", 0))
}

/// Leaves little memory free, and loads an image that needs more.
fn load_without_memory(report: &mut Report) -> Result<io::Result<()>> {
    const LEFT: u64 = 150 * MIB;
    const WANTED: u64 = 300 * MIB;
    let available = Meminfo::current()?;
    let available = available.mem_available.context("MemAvailable")?;
    report.note(&format!("{} MiB are available", available >> 20));
    // A file in memory: unlike pages of a process, it takes no page table to fill.
    let hog = memfd_create(c"hog", MFdFlags::empty()).context("memfd_create")?;
    let taken = i64::try_from(available.saturating_sub(LEFT))?;
    posix_fallocate(&hog, 0, taken).context("taking memory")?;
    // Reading it gives zeros out of one page, so this takes no memory by itself.
    let data = MmapMut::map_anon(usize::try_from(WANTED)?)?;
    let result = kexec::load(PLACE, &[Segment::new(&data, PLACE, WANTED)], ARCH_X86_64);
    drop(hog);
    Ok(result)
}
