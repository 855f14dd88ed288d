//! The kernel's own code and the module by turns, on the bare machine: what one has loaded the other frees,
//! and a load may come while the module goes. Nothing is locked for that, so nothing may go wrong.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{fork, ForkResult};
use rkexec_protocol::scenario::Turns;

use super::by_file;
use super::prelude::*;
use crate::free_memory;

/// How often the module goes and comes back.
const ROUNDS: usize = 2;
/// Memory that may be missing behind all that: the kernel's caches grow. An image takes ten times as much.
const LOST_MAX: i64 = 4 << 20;
/// When a load is killed, in ms after it has begun.
const KILLED_AFTER: [u64; 6] = [10, 40, 80, 160, 240, 320];

pub fn run(stage: &mut Stage<'_>, turns: Turns) -> Result<Next> {
    stage.load_module();
    let loader = Loader::new(Plan {
        blob: turns.blob,
        ..Plan::after(stage.told)
    })?;
    let cmdline = loader.cmdline();
    let (load, load_crash) = (
        || by_file::load(cmdline, 0),
        || by_file::load(cmdline, kexec::FILE_ON_CRASH),
    );
    if turns.stock {
        stage.test("the kernel's own image, with the module there", |_| {
            module::unload()?;
            load().context("kexec_file_load")?;
            module::load()?;
            ensure!(module::expect_map("default").is_err(), "it is the module's");
            Ok(())
        });
        return Ok(Next::Exec);
    }
    // Whatever is made once and then kept.
    by_turns(&load)?;
    let memory = free_memory::settled()?;
    let name = format!("what one has loaded the other frees, {ROUNDS} times");
    stage.test(&name, |_| (0..ROUNDS).try_for_each(|_| by_turns(&load)));
    stage.test("the same with crash images", |_| {
        crash_by_turns(&load_crash)
    });
    stage.test(
        "a load that is killed leaves the image that was there",
        |report| {
            load().context("an image")?;
            killed(report, &load)?;
            kexec::expect_loaded(true)?;
            kexec::file_unload().context("unloading")
        },
    );
    let name = "loads while the module goes and comes";
    stage.test(name, |report| race(report, &load, &load_crash));
    stage.test("the kernel has the memory that it had before", |report| {
        let lost = memory - free_memory::settled()?;
        report.note(&format!("{} KiB less", lost / 1024));
        ensure!(lost <= LOST_MAX, "{lost} bytes are lost");
        Ok(())
    });
    stage.test("the image that is to boot", |_| {
        load().context("kexec_file_load")?;
        module::expect_map("default")
    });
    Ok(Next::Exec)
}

/// With the module there, before and after.
fn by_turns(load: &dyn Fn() -> io::Result<()>) -> Result<()> {
    load().context("by the module")?;
    module::expect_map("default")?;
    module::unload()?;
    kexec::expect_loaded(true)?;
    load().context("by the kernel, in place of the module's")?;
    module::load()?;
    ensure!(module::expect_map("default").is_err(), "it is the module's");
    load().context("by the module, in place of the kernel's")?;
    module::unload()?;
    module::load()?;
    module::expect_map("default").context("of the module that was there before")?;
    kexec::file_unload().context("unloading")?;
    kexec::expect_loaded(false)
}

fn crash_by_turns(load: &dyn Fn() -> io::Result<()>) -> Result<()> {
    load().context("by the module")?;
    module::expect_map("crash")?;
    load().context("by the module, in place of its own")?;
    module::unload()?;
    module::load()?;
    module::expect_map("crash").context("of the module that was there before")?;
    module::unload()?;
    load().context("by the kernel, in place of the module's")?;
    module::load()?;
    ensure!(module::expect_map("crash").is_err(), "it is the module's");
    load().context("by the module, in place of the kernel's")?;
    module::expect_map("crash")?;
    kexec::file_unload_crash().context("unloading")?;
    kexec::expect_crash_loaded(false)
}

/// Has other processes load, and kills them.
fn killed(report: &mut Report, load: &dyn Fn() -> io::Result<()>) -> Result<()> {
    let mut in_time = 0;
    for ms in KILLED_AFTER {
        // SAFETY: This process has but one thread.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => {
                thread::sleep(Duration::from_millis(ms));
                kill(child, Signal::SIGKILL).context("kill")?;
                let end = waitpid(child, None).context("waitpid")?;
                in_time += u32::from(!matches!(end, nix::sys::wait::WaitStatus::Exited(..)));
            }
            ForkResult::Child => {
                let _ = load();
                // SAFETY: Always.
                unsafe { libc::_exit(0) }
            }
        }
        kexec::expect_loaded(true).with_context(|| format!("after {ms} ms"))?;
    }
    report.note(&format!(
        "{in_time} of {} were killed in time",
        KILLED_AFTER.len()
    ));
    ensure!(in_time > 0, "none was killed in time");
    Ok(())
}

/// Loads images of both kinds while the module goes and comes back. Between two loads the loader sleeps:
/// ftrace gives its code back when each task has slept once or was met outside the kernel
/// (`synchronize_rcu_tasks()`), and a task that does nothing but load is hardly ever met there.
fn race(
    report: &mut Report,
    load: &(dyn Fn() -> io::Result<()> + Sync),
    load_crash: &(dyn Fn() -> io::Result<()> + Sync),
) -> Result<()> {
    let (stop, loads) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let loader = scope.spawn(|| -> Result<()> {
            while !stop.load(Ordering::Relaxed) {
                load().context("a default image")?;
                load_crash().context("a crash image")?;
                loads.fetch_add(2, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        });
        // The tasks that are to change are the ones that are at work: that takes its time.
        let result = module::unload().and_then(|()| {
            thread::sleep(Duration::from_millis(300));
            module::load()
        });
        stop.store(true, Ordering::Relaxed);
        let loaded = loader.join();
        result.and(loaded.map_err(|_| anyhow!("the loader has panicked"))?)
    })?;
    report.note(&format!(
        "{} loads meanwhile",
        loads.load(Ordering::Relaxed)
    ));
    kexec::file_unload().context("unloading")?;
    kexec::file_unload_crash().context("unloading the crash image")
}
