//! Loads, unloads, the coming and going of the module, and the start of an image, all at once.
//!
//! Whoever comes second while somebody loads or unloads is told so (`EBUSY`), and nothing else may
//! go wrong: each round knows which errors it may see, and what must be loaded behind it. The last
//! race is between loads and `reboot(2)`. Each image of it has a number, its *generation*, on the
//! command line and in the initrd; the runner compares the one that runs with what this kernel has
//! said before (`scripts/vm/src/generation.rs`).

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rkexec_protocol::{Fact, Told};

use super::by_file;
use super::prelude::*;
use crate::free_memory;

/// Rounds of two calls of `kexec_load` at once, of each kind.
const SMALL_ROUNDS: u64 = 100;
/// Rounds with `kexec_file_load`, which takes longer.
const FILE_ROUNDS: u64 = 10;
/// How often the module goes and comes back.
const MODULE_ROUNDS: usize = 6;
/// Memory that may be missing behind all that: the kernel's caches grow. Each round that lost three
/// pages would be found.
const LOST_MAX: i64 = 2 << 20;
/// How long loads go on before the end, at least and at most.
const LAST_MS: (u64, u64) = (2000, 6000);

/// MiB of random bytes in an initrd.
const BLOB: u64 = 1;
const PAGES: u64 = 4;

type Attempt<'a> = &'a (dyn Fn() -> io::Result<()> + Sync);

struct Machine {
    xen: Xen,
    /// Xen's free pages without an image.
    free: u64,
    /// How many the small image takes.
    used: u64,
}

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    stage.load_module();
    let loader = Loader::new(plan(stage.told))?;
    let cmdline = loader.cmdline();
    let load_file = || by_file::load(cmdline, 0);
    let xen = Xen::open()?;
    let free = xen.free_pages()?;
    load_small().context("the first image")?;
    let used = free.saturating_sub(xen.free_pages()?);
    kexec::unload()?;
    let machine = Machine { xen, free, used };
    // Whatever is made once and then kept.
    load_file()?;
    kexec::unload()?;
    machine.expect_empty()?;
    let memory = free_memory::settled()?;
    let (small, file): (Attempt<'_>, Attempt<'_>) = (&load_small, &load_file);
    let (unload, file_unload): (Attempt<'_>, Attempt<'_>) = (&kexec::unload, &kexec::file_unload);
    let calls = [
        ("kexec_load", SMALL_ROUNDS, small, "kexec_load", small),
        ("kexec_load", SMALL_ROUNDS, small, "an unload", unload),
        ("kexec_file_load", FILE_ROUNDS, file, "kexec_load", small),
        (
            "kexec_file_load",
            FILE_ROUNDS,
            file,
            "an unload",
            file_unload,
        ),
    ];
    for (one, rounds, first, other, second) in calls {
        let name = format!("{one} against {other}, {rounds} times");
        stage.test(&name, |report| machine.race(report, rounds, first, second));
    }
    let name = format!("the module goes and comes while others load, {MODULE_ROUNDS} times");
    stage.test(&name, |report| machine.race_with_modprobe(report));
    let name = "Xen and dom0 have the memory that they had before";
    stage.test(name, |report| {
        machine.expect_empty()?;
        let lost = memory - free_memory::settled()?;
        report.note(&format!("dom0 has {} KiB less", lost / 1024));
        ensure!(lost <= LOST_MAX, "dom0 has lost {lost} bytes");
        Ok(())
    });
    stage.test("an image for a beginning", |_| {
        load_file().context("kexec_file_load")
    });
    Ok(Next::Race)
}

fn plan(told: &Told) -> Plan {
    Plan {
        blob: BLOB,
        ..Plan::after(told)
    }
}

/// Loads one image after the other while somebody else wants to start one. Comes back only if that
/// fails.
pub fn exec(report: &mut Report, told: &Told) -> Result<()> {
    let failure = Mutex::new(None);
    let begin = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            begin.wait();
            thread::sleep(Duration::from_millis(some_time()));
            loop {
                let error = kexec::exec();
                if error.raw_os_error() != Some(libc::EBUSY) {
                    *failure.lock().unwrap_or_else(|it| it.into_inner()) = Some(error);
                    return;
                }
            }
        });
        for generation in 1_u32.. {
            let mut plan = plan(told);
            plan.told.generation = Some(generation);
            let loader = Loader::new(plan)?;
            report.fact(&Fact::Loading(generation));
            loader.load([Call::Load, Call::File][generation as usize % 2])?;
            report.fact(&Fact::Loaded(generation));
            if generation == 1 {
                begin.wait();
            }
            let failed = failure.lock().unwrap_or_else(|it| it.into_inner()).take();
            if let Some(error) = failed {
                bail!("reboot(2): {error}");
            }
        }
        Ok(())
    })
}

/// A time for the last race to last, another one in every run.
fn some_time() -> u64 {
    let (least, most) = LAST_MS;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    least + u64::from(now.map_or(0, |it| it.subsec_micros())) % (most - least)
}

fn load_small() -> io::Result<()> {
    let data = [0xcc; (PAGE * PAGES) as usize];
    let segment = Segment::new(&data, PLACE, PAGE * PAGES);
    kexec::load(PLACE, &[segment], kexec::ARCH_X86_64)
}

/// Whether the kernel had somebody else to do with.
fn was_busy(result: io::Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(false),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(true),
        Err(error) => Err(error).context("not busy, but"),
    }
}

impl Machine {
    /// Has both done at once, again and again; the one a little later than the other, by another
    /// time in each round.
    fn race(
        &self,
        report: &mut Report,
        rounds: u64,
        first: Attempt<'_>,
        second: Attempt<'_>,
    ) -> Result<()> {
        // As long as the shorter of the two takes, about.
        const LATE_MAX_US: u64 = 4000;
        let mut turned_away = 0;
        for round in 0..rounds {
            let late = Duration::from_micros(LATE_MAX_US * (round / 2) / rounds);
            let (one, other) = if round % 2 == 0 {
                (late, Duration::ZERO)
            } else {
                (Duration::ZERO, late)
            };
            let begin = Barrier::new(2);
            let (one, other) = thread::scope(|scope| {
                let start = |late, what: Attempt<'_>| {
                    begin.wait();
                    spin(late);
                    what()
                };
                let one = scope.spawn(move || start(one, first));
                let other = start(other, second);
                (one.join(), other)
            });
            let one = one.map_err(|_| anyhow::anyhow!("a thread has panicked"))?;
            let (one, other) = (was_busy(one)?, was_busy(other)?);
            ensure!(!(one && other), "round {round}: both were turned away");
            turned_away += usize::from(one || other);
            self.expect_consistent()
                .with_context(|| format!("round {round}"))?;
        }
        kexec::unload()?;
        self.expect_empty()?;
        report.note(&format!(
            "one of the two was turned away in {turned_away} of {rounds} rounds"
        ));
        ensure!(turned_away > 0, "the two have never met");
        Ok(())
    }

    /// Loads and unloads without a pause while the module goes and comes back. While it is away the
    /// stock kernel's code loads; nothing of that is ever started. An image of that kernel keeps the
    /// module out, which is tried again then.
    fn race_with_modprobe(&self, report: &mut Report) -> Result<()> {
        const TRIES: usize = 50;
        let (stop, loads) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (mut kept_out, started) = (0, Instant::now());
        thread::scope(|scope| {
            let loader = scope.spawn(|| -> Result<()> {
                while !stop.load(Ordering::Relaxed) {
                    if !was_busy(load_small()).context("kexec_load")? {
                        loads.fetch_add(1, Ordering::Relaxed);
                    }
                    was_busy(kexec::unload()).context("unloading")?;
                }
                Ok(())
            });
            let result = (0..MODULE_ROUNDS).try_for_each(|round| {
                module::unload().with_context(|| format!("round {round}"))?;
                for _ in 0..TRIES {
                    if module::load().is_ok() {
                        return Ok(());
                    }
                    kept_out += 1;
                }
                bail!("round {round}: the module is kept out {TRIES} times")
            });
            stop.store(true, Ordering::Relaxed);
            let loaded = loader.join();
            result.and(loaded.map_err(|_| anyhow::anyhow!("the loader has panicked"))?)
        })?;
        report.note(&format!(
            "{} loads meanwhile; {kept_out} times an image kept the module out; {} ms a round",
            loads.load(Ordering::Relaxed),
            started.elapsed().as_millis() / MODULE_ROUNDS as u128
        ));
        kexec::unload()?;
        self.expect_empty()
    }

    /// Whatever is loaded, Xen agrees with the kernel, and has at most one image.
    fn expect_consistent(&self) -> Result<()> {
        if !kexec::loaded()? {
            return self.expect_empty();
        }
        ensure!(self.xen.kexec_status()?, "Xen's status says 0");
        let free = self.xen.free_pages()?;
        // Some pages more or less: Xen's map of an image depends on where it is.
        let (used, wanted) = (self.free.saturating_sub(free), self.used);
        let near = (wanted / 2..=wanted * 3 / 2).contains(&used);
        ensure!(near, "{used} pages for an image, and not about {wanted}");
        Ok(())
    }

    fn expect_empty(&self) -> Result<()> {
        kexec::expect_loaded(false)?;
        ensure!(!self.xen.kexec_status()?, "Xen's status says 1");
        let (free, before) = (self.xen.free_pages()?, self.free);
        ensure!(free == before, "{free} free pages of Xen, and not {before}");
        Ok(())
    }
}

fn spin(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}
