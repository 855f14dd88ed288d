//! Everything that can happen to an image before one is booted: replaced, unloaded by either call,
//! gone with the module, loaded again.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure, Context, Result};
use memmap2::MmapMut;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, pipe, ForkResult};

use super::loader::{expect_errno, file_load, Call, Loader};
use super::{Next, Stage1};
use crate::kernel_log::KernelLog;
use crate::module;
use crate::places::Destination::Lowest;
use crate::report::Report;
use crate::sys::kexec::{self, Segment};
use crate::sys::stalled::StalledPage;

const PAGE: u64 = 4096;
/// A place that is usable memory on every machine of the tests.
const PLACE: u64 = 32 << 20;
/// A place without any memory: the interrupt controller's.
const NOWHERE: u64 = 0xfee0_0000;
/// Longer than anything takes here.
const MANY_SECONDS: Duration = Duration::from_secs(30);

/// Longer than modprobe needs to see that a file is open, and shorter than it waits for that.
const SHORT_LOOK: Duration = Duration::from_secs(1);

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let loader = Loader::new(stage)?;
    stage
        .report
        .test("an image of the kernel's own keeps the module out", |_| {
            loader.try_load(Call::Load, Lowest)?;
            ensure!(module::load().is_err(), "modprobe succeeded");
            kexec::unload().context("unloading")
        });
    stage.report.test("modprobe rkexec", |_| module::load());
    let free = loader.free_pages()?;
    let nothing = |loader: &Loader| -> Result<()> {
        loader.expect_loaded(false)?;
        let now = loader.free_pages()?;
        ensure!(
            now == free,
            "Xen had {free} free pages at the beginning, and now {now}"
        );
        expect_errno(Err(kexec::exec()), &[libc::EINVAL])
    };
    stage
        .report
        .test("no image is loaded, and reboot(2) says so", |_| {
            nothing(&loader)
        });
    load(stage, &loader, Call::File, "kexec_file_load loads one");
    load(stage, &loader, Call::Load, "kexec_load replaces it");
    stage.report.test("kexec_load unloads it", |_| {
        kexec::unload()?;
        nothing(&loader)
    });
    stage.report.test(
        "while somebody loads, the module's map says busy",
        |report| busy(report, &loader),
    );
    stage
        .report
        .test("a segment of no bytes is as good as any", |_| {
            let page = [0x90; PAGE as usize];
            let segments = [
                Segment::new(&[], NOWHERE, 0),
                Segment::new(&page, PLACE, PAGE),
                Segment::new(&[], PLACE + PAGE, 0),
            ];
            kexec::load(PLACE, &segments, kexec::ARCH_X86_64).context("kexec_load")?;
            loader.expect_loaded(true)?;
            kexec::unload()?;
            nothing(&loader)
        });
    stage
        .report
        .test("a task that is killed stops loading", |report| {
            killed(report)?;
            nothing(&loader)
        });
    load(stage, &loader, Call::Load, "kexec_load loads one");
    load(stage, &loader, Call::File, "kexec_file_load replaces it");
    stage.report.test("kexec_file_load unloads it", |_| {
        kexec::file_unload()?;
        nothing(&loader)
    });
    stage
        .report
        .test("unloading nothing is all right by both calls", |_| {
            kexec::unload()?;
            kexec::file_unload()?;
            nothing(&loader)
        });
    load(
        stage,
        &loader,
        Call::File,
        "kexec_file_load loads another one",
    );
    stage.report.test(
        "an open file of the module's keeps it in, and at work",
        |_| {
            let file = File::open(module::MAP).context(module::MAP)?;
            let error = match module::unload() {
                Err(error) => format!("{error:#}"),
                Ok(()) => bail!("modprobe -r succeeded"),
            };
            ensure!(error.contains("in use"), "{error}");
            loader.expect_loaded(true)?;
            module::expect_map("default")?;
            drop(file);
            Ok(())
        },
    );
    stage
        .report
        .test("modprobe -r by somebody else says no at once", |report| {
            by_somebody_else(report)?;
            loader.expect_loaded(true)?;
            module::expect_map("default")
        });
    stage.report.test(
        "modprobe -r takes the image away with the module, also if somebody has a short look",
        |_| {
            let file = File::open(module::MAP).context(module::MAP)?;
            let look = thread::spawn(move || {
                thread::sleep(SHORT_LOOK);
                drop(file);
            });
            module::unload()?;
            ensure!(look.is_finished(), "it has gone under the open file");
            nothing(&loader)
        },
    );
    stage.report.test("modprobe once more", |_| module::load());
    for number in 1..=3 {
        load(
            stage,
            &loader,
            Call::File,
            &format!("kexec_file_load, load {number} of 3 in a row"),
        );
    }
    load(
        stage,
        &loader,
        Call::Load,
        "kexec_load loads the one to boot",
    );
    stage
        .report
        .test("Xen's kexec status was right all the time", |_| {
            loader.xen_told_the_truth()
        });
    Ok(Next::Exec)
}

/// Reads the map again and again while another thread loads, and unloads what that one has loaded.
fn busy(report: &mut Report, loader: &Loader) -> Result<()> {
    let (mut busy, mut read) = (0, 0);
    let cmdline = loader.cmdline();
    thread::scope(|scope| {
        let loading = scope.spawn(|| file_load(cmdline));
        while !loading.is_finished() {
            match fs::read(module::MAP) {
                Ok(_) => read += 1,
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => busy += 1,
                Err(error) => return Err(error).context(module::MAP),
            }
        }
        let loaded = loading.join();
        let loaded = loaded.map_err(|_| anyhow!("the loader has panicked"))?;
        loaded.context("kexec_file_load")
    })?;
    report.note(&format!("busy {busy} times, readable {read} times"));
    ensure!(busy > 0, "it never was");
    kexec::unload().context("unloading")
}

/// Has somebody who is not root remove the module: that cannot be, and waiting would not help.
fn by_somebody_else(report: &mut Report) -> Result<()> {
    const NOBODY: u32 = 65534;
    let begin = Instant::now();
    let output = Command::new("modprobe")
        .args(["-r", module::NAME])
        .uid(NOBODY)
        .output()
        .context("modprobe")?;
    report.note(&format!("it took {} ms", begin.elapsed().as_millis()));
    ensure!(!output.status.success(), "it succeeded");
    let said = String::from_utf8_lossy(&output.stderr);
    let refusals = said.matches("enabled").count();
    ensure!(refusals == 1, "it says {refusals} times why:\n{said}");
    ensure!(begin.elapsed() < MANY_SECONDS, "it has waited");
    Ok(())
}

/// Has another process load a large image, and kills it when its data are being copied.
fn killed(report: &mut Report) -> Result<()> {
    const BYTES: usize = 192 << 20;
    let mut log = KernelLog::from_now_on()?;
    let data = MmapMut::map_anon(BYTES)?;
    let (copies, copying) = pipe().context("pipe")?;
    let (mut copies, copying) = (File::from(copies), File::from(copying));
    // SAFETY: This process has but one thread.
    let child = match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let _ = load_and_tell(&data, copying);
            // SAFETY: Always.
            unsafe { libc::_exit(0) }
        }
    };
    drop(copying);
    copies.read_exact(&mut [0]).context("nobody loads")?;
    kill(child, Signal::SIGKILL).context("kill")?;
    let begin = Instant::now();
    let end = waitpid(child, None).context("waitpid")?;
    let how = matches!(end, WaitStatus::Signaled(_, Signal::SIGKILL, _));
    ensure!(how, "it ended otherwise: {end:?}");
    report.note(&format!(
        "it died within {} ms",
        begin.elapsed().as_millis()
    ));
    ensure!(!kexec::loaded()?, "what it wanted to load is loaded");
    const LINE: &str = "rkexec: image not loaded: the task that loads it is being killed";
    let said = log.lines()?.iter().any(|line| line.contains(LINE));
    ensure!(said, "the log does not say: {LINE}");
    Ok(())
}

/// Loads an image of a page and these `data` behind it, and writes to `copying` when the kernel comes to
/// read the page.
fn load_and_tell(data: &[u8], mut copying: File) -> Result<()> {
    let first = StalledPage::new()?;
    thread::scope(|scope| {
        scope.spawn(|| {
            first.wait_for_reader(MANY_SECONDS)?;
            copying.write_all(&[0])?;
            first.release()
        });
        let image = [
            Segment::new(first.bytes(), PLACE, PAGE),
            Segment::new(data, PLACE + PAGE, data.len() as u64),
        ];
        Ok(kexec::load(PLACE, &image, kexec::ARCH_X86_64)?)
    })
}

fn load(stage: &mut Stage1<'_>, loader: &Loader, call: Call, name: &str) {
    let result = loader.load_and_check(stage, call, Lowest);
    stage.report.result(name, &result);
}
