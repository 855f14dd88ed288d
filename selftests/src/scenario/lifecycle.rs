//! Everything that can happen to an image before one is booted: replaced, unloaded by either call,
//! gone with the module, loaded again.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use memmap2::MmapMut;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, pipe, ForkResult};

use super::by_file;
use super::prelude::*;
use crate::sys::stalled::StalledPage;

/// A place without any memory: the interrupt controller's.
const NOWHERE: u64 = 0xfee0_0000;
/// Longer than anything takes here.
const MANY_SECONDS: Duration = Duration::from_secs(30);

/// Longer than modprobe needs to see that a file is open, and shorter than it waits for that.
const SHORT_LOOK: Duration = Duration::from_secs(1);

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    let loader = Loader::after(stage.told)?;
    let report = &mut *stage.report;
    report.test("an image of the kernel's own keeps the module out", |_| {
        loader.load(Call::Load)?;
        ensure!(module::load().is_err(), "modprobe succeeded");
        kexec::unload().context("unloading")
    });
    report.test("modprobe rkexec", |_| module::load());
    let free = loader.free_pages()?;
    let nothing = || -> Result<()> {
        loader.expect_nothing(free)?;
        expect_errno(Err(kexec::exec()), &[libc::EINVAL])
    };
    report.test("no image is loaded, and reboot(2) says so", |_| nothing());
    loader.test(report, "kexec_file_load loads one", Call::File);
    loader.test(report, "kexec_load replaces it", Call::Load);
    report.test("kexec_load unloads it", |_| {
        kexec::unload()?;
        nothing()
    });
    report.test(
        "while somebody loads, the module's map says busy",
        |report| busy(report, &loader),
    );
    report.test("a segment of no bytes is as good as any", |_| {
        let page = [0x90; PAGE as usize];
        let segments = [
            Segment::new(&[], NOWHERE, 0),
            Segment::new(&page, PLACE, PAGE),
            Segment::new(&[], PLACE + PAGE, 0),
        ];
        kexec::load(PLACE, &segments, kexec::ARCH_X86_64).context("kexec_load")?;
        loader.expect_loaded(true)?;
        kexec::unload()?;
        nothing()
    });
    report.test("a task that is killed stops loading", |report| {
        killed(report)?;
        nothing()
    });
    loader.test(report, "kexec_load loads one", Call::Load);
    loader.test(report, "kexec_file_load replaces it", Call::File);
    report.test("kexec_file_load unloads it", |_| {
        kexec::file_unload()?;
        nothing()
    });
    report.test("unloading nothing is all right by both calls", |_| {
        kexec::unload()?;
        kexec::file_unload()?;
        nothing()
    });
    loader.test(report, "kexec_file_load loads another one", Call::File);
    let at_work = || -> Result<()> {
        loader.expect_loaded(true)?;
        module::expect_map("default")
    };
    report.test(
        "an open file of the module's keeps it in, and at work",
        |_| {
            let _file = File::open(module::MAP).context(module::MAP)?;
            let error = match module::unload() {
                Err(error) => format!("{error:#}"),
                Ok(()) => bail!("modprobe -r succeeded"),
            };
            ensure!(error.contains("in use"), "{error}");
            at_work()
        },
    );
    let name = "modprobe -r by somebody else says no at once";
    report.test(name, |report| {
        by_somebody_else(report)?;
        at_work()
    });
    report.test(
        "modprobe -r takes the image away with the module, also if somebody has a short look",
        |_| {
            let file = File::open(module::MAP).context(module::MAP)?;
            let look = thread::spawn(move || {
                thread::sleep(SHORT_LOOK);
                drop(file);
            });
            module::unload()?;
            ensure!(look.is_finished(), "it has gone under the open file");
            nothing()
        },
    );
    report.test("modprobe once more", |_| module::load());
    for number in 1..=3 {
        let name = format!("kexec_file_load, load {number} of 3 in a row");
        loader.test(report, &name, Call::File);
    }
    loader.test(report, "kexec_load loads the one to boot", Call::Load);
    report.test("Xen's kexec status was right all the time", |_| {
        loader.xen_told_the_truth()
    });
    Ok(Next::Exec)
}

/// Reads the map again and again while another thread loads, and unloads what that one has loaded.
fn busy(report: &mut Report, loader: &Loader) -> Result<()> {
    let (mut busy, mut read) = (0, 0);
    let cmdline = loader.cmdline();
    thread::scope(|scope| {
        let loading = scope.spawn(|| by_file::load(cmdline, 0));
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
    let took = begin.elapsed().as_millis();
    report.note(&format!("it died within {took} ms"));
    ensure!(!kexec::loaded()?, "what it wanted to load is loaded");
    log.expect("rkexec: image not loaded: the task that loads it is being killed")
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
