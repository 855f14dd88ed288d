//! How long a whole `kexec_file_load` takes: in a dom0 the module's, the stock kernel's and kexec-tools'
//! own through libxenctrl, of the same files, in one boot and by turns. And how much memory of dom0 an
//! image takes beyond its data. On the bare machine the module's and the stock kernel's, of either kind
//! of image. Measures, not tests: the runner has no opinion.
//!
//! What the stock kernel loads in a dom0 must never be started, and is not.

use std::time::{Duration, Instant};
use std::{fs, io};

use formats::bzimage::BzImage;

use rkexec_protocol::scenario::LoadTime;

use super::prelude::*;
use super::prepare_time::{median, repeat};
use crate::ownership::Ownership;
use crate::{free_memory, past_kernel};

/// Loads of each kind between two changes, and how often it changes.
const LOADS: usize = 2;
const TURNS: usize = 5;

/// What one load was.
struct Sample {
    took: Duration,
    /// How much less memory is free while it is loaded, in bytes.
    memory: i64,
}

pub fn run(stage: &mut Stage<'_>, times: LoadTime) -> Result<Next> {
    let mut plan = Plan::after(stage.told);
    plan.blob = times.blob;
    let loader = Loader::new(plan)?;
    let name = "the times of whole loads";
    stage.test(name, |report| match times.own_place {
        _ if !xen::is_dom0() => measure_bare(&loader, report),
        true => measure_own_place(&loader, report),
        false => measure(&loader, report),
    });
    Ok(Next::PowerOff)
}

fn measure(loader: &Loader, report: &mut Report) -> Result<()> {
    let xen = Xen::open()?;
    // The first load of each kind finds cold caches, and counts for nobody.
    module::load()?;
    by_kernel(loader)?;
    module::unload()?;
    by_kernel(loader)?;
    by_kexec_tools(loader, &xen)?;
    let (mut ours, mut stock, mut tools) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 1..=TURNS {
        module::load()?;
        repeat(LOADS, &mut ours, || by_kernel(loader))?;
        module::unload()?;
        repeat(LOADS, &mut stock, || by_kernel(loader))?;
        repeat(LOADS, &mut tools, || by_kexec_tools(loader, &xen))?;
        report.note(&format!("turn {turn} of {TURNS} is over"));
    }
    let (a, b, c) = (time(&ours), time(&stock), time(&tools));
    report.note(&format!(
        "medians of {} loads each: rkexec {a:.0} ms, stock {b:.0} ms, kexec-tools {c:.0} ms",
        ours.len()
    ));
    report.note(&format!(
        "rkexec takes {:.2} times as long as stock; kexec-tools {:.2} times as long as rkexec",
        a / b,
        c / a
    ));
    let data = data_bytes(loader)?;
    for (who, samples) in [("rkexec", &ours), ("stock", &stock)] {
        let more = median(samples.iter().map(|it| it.memory as f64).collect()) - data as f64;
        report.note(&format!(
            "dom0's memory beyond {} KiB of data, {who}: {:.0} KiB, {:.2} %",
            data >> 10,
            more / 1024.0,
            100.0 * more / data as f64
        ));
    }
    Ok(())
}

/// What users get who do not tell kexec-tools where to load. There is one such load, at the end: if
/// Xen's copy of the image is in the way of the image, to unload it stops Xen.
fn measure_own_place(loader: &Loader, report: &mut Report) -> Result<()> {
    module::load_without_door()?;
    by_kernel(loader)?;
    let mut ours = Vec::new();
    for _ in 0..TURNS {
        repeat(LOADS, &mut ours, || by_kernel(loader))?;
    }
    let started = Instant::now();
    past_kernel::load(None, KERNEL, INITRD, loader.cmdline())?;
    let (a, c) = (time(&ours), started.elapsed().as_secs_f64() * 1e3);
    report.note(&format!(
        "median of {} loads: rkexec {a:.0} ms; one load by kexec-tools to its own place: {c:.0} ms, \
         {:.2} times as long",
        ours.len(),
        c / a
    ));
    Ok(())
}

/// The module in, and the module out, of default and of crash images.
fn measure_bare(loader: &Loader, report: &mut Report) -> Result<()> {
    type Unload = fn() -> io::Result<()>;
    for (kind, flags, unload) in [
        ("default", 0, kexec::file_unload as Unload),
        ("crash", kexec::FILE_ON_CRASH, kexec::file_unload_crash),
    ] {
        let load = || -> Result<f64> {
            let started = Instant::now();
            loader.load_file(flags)?;
            let took = started.elapsed().as_secs_f64() * 1e3;
            unload().context("unloading")?;
            Ok(took)
        };
        // The first load finds cold caches, and counts for nobody.
        load()?;
        let (mut ours, mut stock) = (Vec::new(), Vec::new());
        for turn in 1..=TURNS {
            module::load()?;
            repeat(LOADS, &mut ours, load)?;
            module::unload()?;
            repeat(LOADS, &mut stock, load)?;
            report.note(&format!("turn {turn} of {TURNS} is over"));
        }
        let count = ours.len();
        let (ours, stock) = (median(ours), median(stock));
        report.note(&format!(
            "{kind} image, medians of {count} loads each: rkexec {ours:.0} ms, stock {stock:.0} ms, \
             ratio {:.2}",
            ours / stock
        ));
    }
    Ok(())
}

fn time(samples: &[Sample]) -> f64 {
    let times = samples.iter().map(|it| it.took.as_secs_f64() * 1e3);
    median(times.collect())
}

/// Loads by `kexec_file_load`, and unloads.
fn by_kernel(loader: &Loader) -> Result<Sample> {
    let before = free_memory::settled()?;
    let started = Instant::now();
    loader.load(Call::File)?;
    let took = started.elapsed();
    let memory = before - free_memory::settled()?;
    kexec::file_unload().context("unloading")?;
    Ok(Sample { took, memory })
}

/// Has kexec-tools load past the kernel, which takes no memory of dom0 for long, and unload.
fn by_kexec_tools(loader: &Loader, xen: &Xen) -> Result<Sample> {
    let place = Ownership::read(xen)?.largest_run()?;
    let started = Instant::now();
    past_kernel::load(Some(place), KERNEL, INITRD, loader.cmdline())?;
    let took = started.elapsed();
    past_kernel::unload()?;
    Ok(Sample { took, memory: 0 })
}

/// What of the two files an image has to have: the kernel without what only a BIOS boot needs.
fn data_bytes(loader: &Loader) -> Result<u64> {
    let kernel = BzImage::parse(loader.kernel())?.payload().len() as u64;
    Ok(kernel + fs::metadata(INITRD)?.len())
}
