//! The door comes and goes: with the module, and with the driver that it is in, and while programs go
//! through it. In the end the kernel is locked down.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libc::{EBUSY, EPERM};
use nix::mount::umount;
use rkexec_protocol::choice::Lockdown;

use super::door::SAYS;
use super::prelude::*;
use super::witnesses::{Loaded, Witnesses};
use crate::door::{self, load, segment, Answers, Door};
use crate::files;
use crate::lockdown;
use crate::ownership::Ownership;
use crate::past_kernel;
use crate::sys::locked::Locked;
use crate::sys::stalled::StalledPage;

const DRIVER: &str = "xen-privcmd";
const DEVICE: &str = "/dev/xen/privcmd";
/// What the module says of an image that Xen has when it comes.
const THEIRS: &str = "rkexec: Xen has an image that this kernel has not loaded";
/// How often the module goes and comes back while programs make hypercalls.
const ROUNDS: usize = 3;
/// Programs that ask for Xen's version.
const CALLERS: usize = 3;

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    stage.test("the driver comes after the module, and again", |_| {
        driver_comes_and_goes()
    });
    // What is to be loaded by Xen itself must be in memory that Xen does not take pages from.
    let place = Ownership::read(&Xen::open()?)?.largest_run()?;
    let image = Image::new(place.start)?;
    let witnesses = Witnesses::new()?;
    stage.test("the module goes while the device is open", |_| {
        goes_while_open(&witnesses, &image)
    });
    stage.test(
        "the module goes while a call stands still in the driver",
        |_| goes_while_a_call_stands_still(&witnesses),
    );
    stage.test("it comes when Xen has an image of a program's", |_| {
        comes_late(&witnesses, &image)
    });
    let name = format!("it goes and comes while programs make hypercalls, {ROUNDS} times");
    stage.test(&name, |report| race(report, &witnesses, &image));
    stage.test(
        "what Xen says of itself is not what the kernel says",
        |_| status_is_whose(&witnesses, Answers::Kernel),
    );
    stage.test("privcmd=0: it is Xen that answers", |_| {
        module::unload()?;
        module::load_without_door()?;
        let mut log = KernelLog::from_now_on()?;
        status_is_whose(&witnesses, Answers::Xen)?;
        let theirs = witnesses.xen.own_range()?;
        ensure!(witnesses.door.xens_range()? == theirs, "another range");
        let said = log.lines()?;
        let calls = said.iter().any(|line| line.contains("has called Xen"));
        ensure!(!calls, "the log says {said:?}");
        module::unload()?;
        module::load()?;
        witnesses.expect_answers_of(Answers::Kernel)
    });
    stage.test("lockdown refuses what comes through the door", |_| {
        locked_down(&witnesses, &image)
    });
    Ok(Next::PowerOff)
}

/// An image of one page.
struct Image {
    page: Locked<u8>,
    at: u64,
}

impl Image {
    fn new(at: u64) -> Result<Self> {
        let page = Locked::holding_all(&[0xcc; PAGE as usize])?;
        Ok(Self { page, at })
    }

    fn load(&self, door: &Door) -> io::Result<()> {
        let segments = Locked::holding(segment(&self.page, self.at));
        door.load(load(&segments.map_err(io::Error::other)?, 0))
    }
}

fn driver_comes_and_goes() -> Result<()> {
    let remove = || -> Result<()> {
        module::modprobe(&["-r", "xenfs", DRIVER])?;
        ensure!(!Path::new(DEVICE).exists(), "{DEVICE} is still there");
        Ok(())
    };
    umount("/proc/xen").context("umount")?;
    remove()?;
    module::load()?;
    for number in 1..=3 {
        module::modprobe(&[DRIVER])?;
        let answers = Door::open()?.answers()?;
        ensure!(answers == Answers::Kernel, "time {number}: {answers:?}");
        remove()?;
    }
    module::unload()?;
    // And the other way round.
    module::modprobe(&["-a", DRIVER, "xenfs"])?;
    files::mount("xenfs", "/proc/xen", None)?;
    let answers = Door::open()?.answers()?;
    ensure!(answers == Answers::Xen, "without the module: {answers:?}");
    module::load()
}

fn goes_while_open(witnesses: &Witnesses, image: &Image) -> Result<()> {
    for _ in 0..2 {
        witnesses.expect_answers_of(Answers::Kernel)?;
        image.load(&witnesses.door)?;
        witnesses.expect(Loaded::Default)?;
        module::unload()?;
        witnesses.expect_answers_of(Answers::Xen)?;
        witnesses.expect(Loaded::Nothing)?;
        module::load()?;
    }
    witnesses.expect_answers_of(Answers::Kernel)
}

/// As one does that destroys a large guest: whoever takes the module out need not wait for it.
fn goes_while_a_call_stands_still(witnesses: &Witnesses) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let page = StalledPage::new()?;
    thread::scope(|scope| {
        let call = scope.spawn(|| witnesses.door.read_low_memory(page.word()));
        let gone = page.wait_for_reader(PATIENCE).and_then(|()| {
            let started = Instant::now();
            module::unload()?;
            let took = started.elapsed();
            ensure!(took < PATIENCE, "modprobe -r takes {took:?}");
            witnesses.expect_answers_of(Answers::Xen)
        });
        page.release()?;
        call.join().map_err(|_| anyhow!("panic"))??;
        gone
    })?;
    module::load()
}

/// A program has had Xen load an image while the module was away.
fn comes_late(witnesses: &Witnesses, image: &Image) -> Result<()> {
    module::unload()?;
    image.load(&witnesses.door)?;
    ensure!(witnesses.xen.kexec_status()?, "Xen has no image");
    let mut log = KernelLog::from_now_on()?;
    module::load()?;
    log.expect(THEIRS)?;
    let says = witnesses.door.status(door::DEFAULT)?;
    ensure!(says == 0, "the door says {says}: the kernel has no image");
    image.load(&witnesses.door)?;
    witnesses.expect(Loaded::Default)?;
    witnesses.door.unload(door::DEFAULT)?;
    witnesses.expect(Loaded::Nothing)
}

/// All make hypercalls without a pause. While the module is away it is Xen that loads.
fn race(report: &mut Report, witnesses: &Witnesses, image: &Image) -> Result<()> {
    let version = witnesses.door.xen_version()?;
    let (stop, calls, loads) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let going = || !stop.load(Ordering::Relaxed);
    thread::scope(|scope| {
        let mut threads: Vec<_> = (0..CALLERS)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let door = Door::open()?;
                    while going() {
                        let says = door.xen_version()?;
                        ensure!(says == version, "version {says:#x}, not {version:#x}");
                        let loaded = door.status(door::DEFAULT)?;
                        ensure!(loaded <= 1, "a status of {loaded}");
                        calls.fetch_add(2, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        threads.push(scope.spawn(|| -> Result<()> {
            let door = Door::open()?;
            while going() {
                match image.load(&door) {
                    Ok(()) => loads.fetch_add(1, Ordering::Relaxed),
                    Err(error) if error.raw_os_error() == Some(EBUSY) => 0,
                    Err(error) => return Err(error).context("a load"),
                };
                match door.unload(door::DEFAULT) {
                    Err(error) if error.raw_os_error() != Some(EBUSY) => {
                        return Err(error).context("an unload");
                    }
                    _ => {}
                }
            }
            Ok(())
        }));
        let result = (0..ROUNDS).try_for_each(|round| come_and_go(round, &calls, &loads));
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().try_fold((), |(), thread| {
            thread.join().map_err(|_| anyhow!("panic"))?
        })?;
        result
    })?;
    let (calls, loads) = (calls.load(Ordering::Relaxed), loads.load(Ordering::Relaxed));
    report.note(&format!("{calls} calls and {loads} loads meanwhile"));
    // Xen may have one that was loaded while the module was away.
    image.load(&witnesses.door)?;
    witnesses.expect(Loaded::Default)?;
    witnesses.door.unload(door::DEFAULT)?;
    witnesses.expect(Loaded::Nothing)
}

fn come_and_go(round: usize, calls: &AtomicUsize, loads: &AtomicUsize) -> Result<()> {
    const TRIES: usize = 20;
    // Some calls in either world.
    let wait = || {
        let before = (calls.load(Ordering::Relaxed), loads.load(Ordering::Relaxed));
        for _ in 0..100 {
            thread::sleep(Duration::from_millis(50));
            let now = (calls.load(Ordering::Relaxed), loads.load(Ordering::Relaxed));
            if now.0 > before.0 + 100 && now.1 > before.1 + 2 {
                return Ok(());
            }
        }
        bail!("round {round}: nobody makes hypercalls any more")
    };
    wait()?;
    module::unload().with_context(|| format!("round {round}"))?;
    wait()?;
    // While somebody loads it cannot come.
    let comes = (0..TRIES).any(|_| module::load().is_ok());
    ensure!(comes, "round {round}: the module is kept out");
    Ok(())
}

/// With an image of the kernel's that somebody has unloaded in Xen.
fn status_is_whose(witnesses: &Witnesses, whose: Answers) -> Result<()> {
    let Witnesses { door, xen, .. } = witnesses;
    let page = [0xcc; PAGE as usize];
    let segment = Segment::new(&page, PLACE, PAGE);
    kexec::load(PLACE, &[segment], kexec::ARCH_X86_64).context("kexec_load")?;
    xen.kexec_unload().context("past the kernel")?;
    ensure!(kexec::loaded()? && !xen.kexec_status()?, "they agree");
    let wanted = u64::from(whose == Answers::Kernel);
    let says = door.status(door::DEFAULT)?;
    ensure!(says == wanted, "the door says {says}, and not {wanted}");
    kexec::unload().context("unloading")?;
    // Each unload there turns Xen's status over.
    while xen.kexec_status()? {
        xen.kexec_unload()?;
    }
    witnesses.expect(Loaded::Nothing)
}

/// What is loaded before stays as it is, for the system call as well.
fn locked_down(witnesses: &Witnesses, image: &Image) -> Result<()> {
    const LINE: [&str; 2] = ["Lockdown: ", "kexec of unsigned images"];
    image.load(&witnesses.door)?;
    lockdown::raise(Lockdown::Integrity)?;
    let mut log = KernelLog::from_now_on()?;
    expect_errno(image.load(&witnesses.door), &[EPERM])?;
    let said = log.lines()?;
    let lockdown = said
        .iter()
        .any(|it| LINE.iter().all(|part| it.contains(part)));
    ensure!(lockdown, "the log does not say {LINE:?}: {said:?}");
    let came = said.iter().any(|line| line.contains(SAYS));
    ensure!(came, "the log does not say who: {said:?}");
    witnesses.expect(Loaded::Default)?;
    // kexec_file_load(2) may unload, and so may who comes through the door.
    expect_errno(kexec::unload(), &[EPERM]).context("kexec_load, to unload")?;
    witnesses.expect(Loaded::Default)?;
    past_kernel::unload()?;
    witnesses.expect(Loaded::Nothing)
}
