//! Every failure once: the N-th allocation of a load, or copy from user space, fails, for N = 1 and so on until
//! three loads came through without one.
//!
//! What is loaded so is tiny, in place of another tiny image; then in place of the image that boots in the end,
//! for each N that was a failure before. Linux drops the crash image that it has before it looks at a new one: of
//! those it is the default image beside it that has to stay.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;

use libc::{EADDRNOTAVAIL, EFAULT, ENOMEM};
use rkexec_protocol::choice::{Trigger, Way};
use rkexec_protocol::scenario::{Crash, FailNth, Tools};

use super::crash;
use super::crash_image::CrashImage;
use super::prelude::*;
use super::probe::{bz_image, PROBE};
use super::tools;
use crate::faults;
use crate::free_memory;
use crate::marker;

/// Loads without a failure after which there is none to come.
const UNTOUCHED: u32 = 3;
/// More than any load has.
const MOST: u32 = 3000;
const PAGES: u64 = 4;
/// What the caller is told.
const ERRNOS: [(i32, &str); 3] = [
    (ENOMEM, "ENOMEM"),
    (EFAULT, "EFAULT"),
    (EADDRNOTAVAIL, "EADDRNOTAVAIL"),
];
const REFUSED: &str = "rkexec: image not loaded: ";
/// Memory that may be missing behind all of it: less than a page for each failure.
const LOST_MAX: i64 = 128 << 10;
/// KASAN keeps what was freed, up to a 32nd of all memory, to see whether somebody still uses it.
const QUARANTINE: i64 = 64 << 20;

/// What became of a load: the error's name, or nothing if it got over it; the module's reason, if it was that.
type Outcome = (Option<&'static str>, Option<String>);

struct Tiny {
    fail: FailNth,
    file: File,
    data: Vec<u8>,
    /// Where `kexec_load` puts it.
    place: u64,
    xen: Option<Xen>,
}

pub fn run(stage: &mut Stage<'_>, fail: FailNth) -> Result<Next> {
    stage.load_module();
    let tiny = Tiny::new(fail)?;
    stage.test("what can fail will", |_| faults::prepare());
    stage.test("a tiny image, twice", |_| {
        if fail.crash {
            kexec::load(
                PLACE,
                &[Segment::new(&tiny.data, PLACE, PAGE * PAGES)],
                kexec::ARCH_X86_64,
            )
            .context("a default image")?;
        }
        (0..2).try_for_each(|_| tiny.load().context("without any failure"))
    });
    let mut failed = Vec::new();
    stage.test("every failure once", |report| {
        failed = tiny.sweep(report)?;
        ensure!(!failed.is_empty(), "nothing has failed");
        Ok(())
    });
    if fail.crash {
        return crash_in_the_end(stage, &tiny, &failed);
    }
    let loader = Loader::new(Plan {
        blob: 1,
        ..Plan::after(stage.told)
    })?;
    stage.test("the image that is to boot", |_| loader.load(fail.call));
    stage.test("the same failures, which leave it as it is", |report| {
        tiny.once_more(report, &failed, &|| loader.load(fail.call))
    });
    Ok(Next::Exec)
}

/// The same with a crash image, by whoever is usually tested to make one there.
fn crash_in_the_end(stage: &mut Stage<'_>, tiny: &Tiny, failed: &[u32]) -> Result<Next> {
    let FailNth { call, .. } = tiny.fail;
    let way = match call {
        Call::File => Way::File,
        Call::Load => Way::Load,
    };
    // What was dropped is not to be missing.
    stage.test("the same failures", |report| {
        tiny.once_more(report, failed, &|| tiny.load().context("a tiny image"))
    });
    if xen::is_dom0() {
        let parameters = Crash::NEW.call(way).blob(1).default(true);
        let image = CrashImage::new(stage.told, parameters, true)?;
        stage.test("the image for the crash", |_| {
            image.load()?;
            image.expect_loaded(true)
        });
    } else {
        let mut plan = Plan::after(stage.told);
        plan.told.marker = Some(marker::leave()?);
        let loader = Loader::new(plan)?;
        let parameters = Tools::NEW.syscall(call).crash(true);
        stage.test("the image for the crash", |_| {
            tools::load(parameters, loader.cmdline())?;
            kexec::expect_crash_loaded(true)
        });
    }
    Ok(Next::Crash(Trigger::Sysrq))
}

impl Tiny {
    fn new(fail: FailNth) -> Result<Self> {
        const FILE: &str = "/tiny.bzimage";
        let probe = fs::read(PROBE).context(PROBE)?;
        fs::write(FILE, bz_image(&probe)).context(FILE)?;
        let place = match fail.crash {
            true => crash::areas()?.first().context("no crash area")?.0,
            false => PLACE,
        };
        Ok(Self {
            fail,
            file: File::open(FILE).context(FILE)?,
            data: vec![0xcc; (PAGE * PAGES) as usize],
            place,
            xen: xen::is_dom0().then(Xen::open).transpose()?,
        })
    }

    /// Loads it, by one system call and nothing else.
    fn load(&self) -> io::Result<()> {
        match (self.fail.call, self.fail.crash) {
            (Call::File, crash) => {
                let flags = if crash { kexec::FILE_ON_CRASH } else { 0 };
                kexec::file_load(self.file.as_fd(), None, c"", flags)
            }
            (Call::Load, crash) => {
                let flags = if crash { kexec::ON_CRASH } else { 0 };
                let segment = Segment::new(&self.data, self.place, PAGE * PAGES);
                kexec::load(self.place, &[segment], kexec::ARCH_X86_64 | flags)
            }
        }
    }

    /// All that has to be the same after a load that has failed.
    fn state(&self) -> Result<(String, u64)> {
        kexec::expect_loaded(true)?;
        let map = module::map("default")?.join("\n");
        // The crash image that was there went first, and what Xen had for it.
        let free = match (&self.xen, self.fail.crash) {
            (Some(xen), false) => xen.free_pages()?,
            _ => 0,
        };
        Ok((map, free))
    }

    /// Has the `number`-th fail. Nothing, if there are not so many.
    fn one(&self, number: u32) -> Result<Option<Outcome>> {
        let before = self.state()?;
        let mut log = KernelLog::from_now_on()?;
        let (result, failed) = faults::nth(number, || self.load())?;
        let lines = log.lines()?;
        let mut said = lines.iter().filter_map(|line| line.split_once(REFUSED));
        let why = said.next().map(|(_, why)| why.to_owned());
        ensure!(said.next().is_none(), "the log says it twice: {lines:?}");
        let Err(error) = result else {
            ensure!(why.is_none(), "it is loaded, and refused: {why:?}");
            return Ok(failed.then_some((None, None)));
        };
        ensure!(failed, "without a failure: {error}");
        let errno = error.raw_os_error();
        let name = ERRNOS.iter().find(|(it, _)| Some(*it) == errno);
        let (_, name) = name.with_context(|| format!("an error for no reason: {error}"))?;
        let after = self.state()?;
        ensure!(before == after, "it was {before:?}, and is {after:?}");
        if let Some(xen) = self.xen.as_ref().filter(|_| self.fail.crash) {
            let (has, loaded) = (xen.has_crash_image()?, kexec::crash_loaded()?);
            ensure!(
                has == loaded,
                "a crash image: in Xen {has}, in Linux {loaded}"
            );
        }
        Ok(Some((Some(name), why)))
    }

    /// All of them; those that the load has failed by.
    fn sweep(&self, report: &mut Report) -> Result<Vec<u32>> {
        let (mut table, mut untouched) = (Vec::new(), 0);
        for number in 1..MOST {
            let outcome = self.one(number).with_context(|| format!("N = {number}"))?;
            match outcome {
                Some(outcome) => {
                    untouched = 0;
                    table.push((number, outcome));
                }
                None => untouched += 1,
            }
            if untouched == UNTOUCHED {
                tell(report, &table);
                let failed = table.iter().filter(|(_, (name, _))| name.is_some());
                return Ok(failed.map(|(number, _)| *number).collect());
            }
        }
        bail!("it never comes to an end")
    }

    /// Those `failed` once more, after `load` has loaded another image.
    fn once_more(
        &self,
        report: &mut Report,
        failed: &[u32],
        load: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let round = || -> Result<u32> {
            let mut again = 0;
            for &number in failed {
                let outcome = self.one(number).with_context(|| format!("N = {number}"))?;
                // It has not come to the same this time.
                let survived = outcome.is_none_or(|(name, _)| name.is_none());
                if survived || self.fail.crash {
                    load().context("loading it again")?;
                    again += u32::from(survived);
                }
            }
            Ok(again)
        };
        // Whatever is made once and then kept.
        round()?;
        let xen_free = || self.xen.as_ref().map_or(Ok(0), Xen::free_pages);
        let before = (free_memory::settled()?, xen_free()?);
        let again = round()?;
        let after = (free_memory::settled()?, xen_free()?);
        let lost = before.0 - after.0;
        report.note(&format!(
            "{} failures, {again} of them survived now; Linux has {} KiB less, Xen {} pages",
            failed.len(),
            lost / 1024,
            before.1.abs_diff(after.1)
        ));
        let most = if has_kasan()? { QUARANTINE } else { LOST_MAX };
        ensure!(lost <= most, "{lost} bytes are lost");
        // An image that was loaded again may have other places, and Xen's map of it another size.
        ensure!(
            again > 0 || before.1 == after.1,
            "Xen had {} free pages, and has {}",
            before.1,
            after.1
        );
        Ok(())
    }
}

/// Whether this kernel has KASAN, by a function that only it has.
fn has_kasan() -> Result<bool> {
    const SYMBOLS: &str = "/proc/kallsyms";
    let symbols = fs::read_to_string(SYMBOLS).context(SYMBOLS)?;
    Ok(symbols.lines().any(|line| line.ends_with(" kasan_report")))
}

/// The table, with one line for each run of the same.
fn tell(report: &mut Report, table: &[(u32, Outcome)]) {
    for run in table.chunk_by(|(_, one), (_, other)| one == other) {
        let ((first, (name, why)), (last, _)) = (&run[0], &run[run.len() - 1]);
        let numbers = match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let what = match (name, why) {
            (None, _) => "survived".to_owned(),
            (Some(name), None) => format!("{name}, before the module or by the kernel"),
            (Some(name), Some(why)) => format!("{name}: {why}"),
        };
        report.note(&format!("N = {numbers}: {what}"));
    }
    let count = |wanted: Option<&str>| {
        let is = |(_, (name, _)): &&(u32, Outcome)| *name == wanted;
        table.iter().filter(is).count()
    };
    let counts = ERRNOS.map(|(_, name)| format!("{} {name}", count(Some(name))));
    report.note(&format!(
        "in all {}, {} survived",
        counts.join(", "),
        count(None)
    ));
}
