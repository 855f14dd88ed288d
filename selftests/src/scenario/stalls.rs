//! Loads that stand still, and what they may not hold up.
//!
//! The kernel holds its kexec lock while it reads an image, and that lasts as long as whoever has the
//! data likes: here a page that nobody answers for (userfaultfd). The module comes and goes under
//! another lock, which every other module needs as well. So neither may wait there for the first one.
//!
//! And an image is freed when the kexec lock is free again: then the module may have come meanwhile, or
//! somebody may want its functions to go.

use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::prelude::*;
use super::stalled_load::{StalledLoad, AT_ONCE};
use crate::files;
use crate::program::said;
use crate::sys::schedule;

/// MiB of random bytes in the initrd, so that it takes long to free.
const BLOB: u64 = 96;
/// Whether the module's functions are in use.
const ENABLED: &str = "/sys/kernel/livepatch/rkexec/enabled";
/// What the log says when they stay so.
const BEING_LOADED: &str = "rkexec: not taken out: an image is being loaded just now";
const BEING_FREED: &str = "rkexec: not taken out: an image is being freed just now";
/// A module that has nothing to do with all this.
const OTHER_MODULE: &str = "xen-evtchn";
/// Less than `modprobe rkexec` waits for a load. No other module waits for that as well.
const NOT_HELD_UP: Duration = Duration::from_secs(5);
/// What waits for a load, and then goes on, takes no longer than this.
const IN_THE_END: Duration = Duration::from_secs(120);
/// The processor on which an image is freed slowly; all else is on the other one.
const SLOW: usize = 1;
const OTHERS: usize = 0;

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    let mut plan = Plan::after(stage.told);
    plan.blob = BLOB;
    let loader = Loader::new(plan)?;
    let report = &mut *stage.report;
    report.test(
        "modprobe does not wait for a load that stands still, nor do other modules",
        |report| {
            let load = StalledLoad::begin(PLACE, kexec::ARCH_X86_64)?;
            let mut modprobe = Running::start("modprobe", &[module::NAME])?;
            other_modules_go_on_until(report, || Ok(!modprobe.goes_on()?))?;
            let said = modprobe.fails_within(AT_ONCE)?;
            ensure!(said.contains("busy"), "modprobe says: {said}");
            ensure!(!module::is_loaded(), "the module is there");
            load.ends_well()?;
            kexec::unload().context("unloading")
        },
    );
    report.test("modprobe when that is over", |_| module::load());
    report.test(
        "the functions stay in use while a load stands still, and nobody waits",
        |report| {
            let load = StalledLoad::begin(PLACE, kexec::ARCH_X86_64)?;
            let write = format!("echo 0 > {ENABLED}");
            let mut echo = Running::start("sh", &["-c", &write])?;
            other_modules_go_on_until(report, || Ok(!echo.goes_on()?))?;
            echo.ends_within(AT_ONCE)?;
            ensure!(is_enabled()?, "they are not in use any more");
            load.ends_well()?;
            kexec::expect_loaded(true)?;
            kexec::unload().context("unloading")
        },
    );
    report.test(
        "modprobe -r waits for a load that stands still, and other modules do not",
        |report| {
            let load = StalledLoad::begin(PLACE, kexec::ARCH_X86_64)?;
            let mut log = KernelLog::from_now_on()?;
            let mut modprobe = Running::start("modprobe", &["-r", module::NAME])?;
            other_modules_go_on_until(report, || log.says(BEING_LOADED))?;
            ensure!(modprobe.goes_on()?, "modprobe -r is over already");
            load.ends_well()?;
            modprobe.succeeds_within(IN_THE_END)?;
            ensure!(!module::is_loaded(), "the module is still there");
            kexec::expect_loaded(false)
        },
    );
    report.test(
        "the module comes while the kernel frees an image of its own, and can use that memory",
        |report| {
            let late = while_an_image_is_freed(&loader, module::load)?;
            report.note(&format!("it was freed {} ms later", late.as_millis()));
            // As much of the same kind, on the processor where it was freed. The kernel dies if a page
            // of it cannot be written.
            schedule::keep_to(SLOW)?;
            loader.load(Call::File)?;
            kexec::unload().context("unloading")
        },
    );
    report.test(
        "the functions stay in use while an image of theirs is freed, and the next one stays loaded",
        |report| {
            let mut log = KernelLog::from_now_on()?;
            let late = while_an_image_is_freed(&loader, || {
                let segment = Segment::new(&[0; PAGE as usize], PLACE, PAGE);
                kexec::load(PLACE, &[segment], kexec::ARCH_X86_64).context("kexec_load")?;
                std::fs::write(ENABLED, "0").context(ENABLED)
            })?;
            report.note(&format!("it was freed {} ms later", late.as_millis()));
            log.expect(BEING_FREED)?;
            ensure!(is_enabled()?, "they are not in use any more");
            kexec::expect_loaded(true)?;
            kexec::unload().context("unloading")
        },
    );
    report.test("modprobe -r when that is over", |_| module::unload());
    Ok(Next::PowerOff)
}

/// Loads a large image, unloads it, and does something before all of it is freed. Returns how long after
/// that the kernel was done.
fn while_an_image_is_freed(
    loader: &Loader,
    something: impl FnOnce() -> Result<()>,
) -> Result<Duration> {
    /// So many threads want it for themselves, before whom one that gives way gets nothing of it.
    const CROWD: usize = 2;

    schedule::keep_to(OTHERS)?;
    loader.load(Call::File)?;
    let (freed, enough) = (AtomicBool::new(false), AtomicBool::new(false));
    let crowd_comes = Barrier::new(CROWD + 1);
    thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| {
                let kept = schedule::keep_to(SLOW);
                crowd_comes.wait();
                while kept.is_ok() && !enough.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let unload = scope.spawn(|| -> Result<()> {
            schedule::keep_to(SLOW)?;
            schedule::give_way()?;
            kexec::file_unload()?;
            freed.store(true, Ordering::Relaxed);
            Ok(())
        });
        let gone = wait_until_unloaded();
        crowd_comes.wait();
        let done = gone.and_then(|()| something());
        let in_time = !freed.load(Ordering::Relaxed);
        enough.store(true, Ordering::Relaxed);
        let since = Instant::now();
        unload
            .join()
            .map_err(|_| anyhow!("the unloader has panicked"))??;
        done?;
        ensure!(in_time, "the image was freed before that");
        Ok(since.elapsed())
    })
}

/// Waits until the kernel has no image any more: then it begins to free the one that it had.
fn wait_until_unloaded() -> Result<()> {
    let started = Instant::now();
    while kexec::loaded()? {
        ensure!(started.elapsed() < AT_ONCE, "the image is not unloaded");
    }
    Ok(())
}

fn is_enabled() -> Result<bool> {
    Ok(files::read(ENABLED)? == "1")
}

/// Has another module come and go again and again, at least once, until it is over what might hold it
/// up.
fn other_modules_go_on_until(
    report: &mut Report,
    mut is_over: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let (started, mut longest) = (Instant::now(), Duration::ZERO);
    loop {
        for arguments in [&[OTHER_MODULE][..], &["-r", OTHER_MODULE]] {
            longest = longest.max(time_of_modprobe(arguments)?);
        }
        if is_over()? {
            break;
        }
        ensure!(started.elapsed() < AT_ONCE, "it is not over");
    }
    let ms = longest.as_millis();
    report.note(&format!("another module took {ms} ms at most"));
    ensure!(longest < NOT_HELD_UP, "another module took {longest:?}");
    Ok(())
}

fn time_of_modprobe(arguments: &[&str]) -> Result<Duration> {
    let started = Instant::now();
    Running::start("modprobe", arguments)?.succeeds_within(AT_ONCE)?;
    Ok(started.elapsed())
}

/// A program that may take too long.
struct Running {
    what: String,
    child: Child,
}

impl Running {
    fn start(program: &str, arguments: &[&str]) -> Result<Self> {
        let what = format!("{program} {}", arguments.join(" "));
        let child = Command::new(program)
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| what.clone())?;
        Ok(Self { what, child })
    }

    fn goes_on(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    fn ends_within(mut self, patience: Duration) -> Result<Output> {
        let started = Instant::now();
        while self.goes_on()? {
            if started.elapsed() > patience {
                bail!("{}: not at its end after {patience:?}", self.what);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(self.child.wait_with_output()?)
    }

    fn succeeds_within(self, patience: Duration) -> Result<()> {
        let what = self.what.clone();
        let output = self.ends_within(patience)?;
        ensure!(output.status.success(), "{what}: {}", said(&output));
        Ok(())
    }

    /// What it says when it fails.
    fn fails_within(self, patience: Duration) -> Result<String> {
        let what = self.what.clone();
        let output = self.ends_within(patience)?;
        ensure!(!output.status.success(), "{what} succeeded");
        Ok(said(&output).to_lowercase())
    }
}
