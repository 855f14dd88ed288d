//! A next kernel at hand, and both ways to load it.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::time::Instant;

use anyhow::{bail, ensure, Context, Result};
use memmap2::Mmap;
use rkexec_protocol::choice::{Call, Destination, Lockdown};
use rkexec_protocol::Told;

use super::by_file;
use super::plan::{Plan, INITRD, KERNEL};
use crate::expect::Expected;
use crate::image::Image;
use crate::initrd::{self, Contents};
use crate::kernel_log::{hypercall_time, KernelLog};
use crate::memory::Map;
use crate::module;
use crate::ownership::Ownership;
use crate::report::Report;
use crate::sys::{kexec, mapped};
use crate::xen::{self, Xen};

pub const PAGE: u64 = 4096;
/// A place that is usable memory on every machine of the tests, and a multiple of 2 MiB.
pub const PLACE: u64 = 32 << 20;

/// Pages that Xen may have for a loaded image: 2 MiB.
const XEN_PAGES_MAX: u64 = 512;

/// A kernel, its initrd on disk, and the machine that they are for.
pub struct Loader {
    pub machine: Map,
    expected: Expected,
    kernel: Mmap,
    initrd: Mmap,
    xen: Option<Xen>,
    /// How far this kernel is to be locked down when `kexec_file_load` comes.
    lockdown: Option<Lockdown>,
    /// How often Xen was asked for its status, and how often that was wrong.
    status: Cell<(usize, usize)>,
}

impl Loader {
    /// Builds the initrd of the usual plan.
    pub fn after(told: &Told) -> Result<Self> {
        Self::new(Plan::after(told))
    }

    /// Builds the initrd of this plan.
    pub fn new(plan: Plan) -> Result<Self> {
        let xen = xen::is_dom0().then(Xen::open).transpose()?;
        let machine = xen::machine_map()?;
        let (cmdline, target) = (plan.cmdline(), Path::new(INITRD));
        let contents = Contents {
            blob_bytes: plan.blob << 20,
            // One that has something to do needs all that this one has.
            system: plan.told.scenario.is_some(),
            crash: plan.crash,
        };
        let base = Path::new(plan.base);
        let expected = initrd::build(base, target, contents, &cmdline, machine.clone())?;
        Ok(Self {
            machine,
            expected,
            kernel: mapped::map(Path::new(KERNEL))?,
            initrd: mapped::map(target)?,
            xen,
            lockdown: plan.told.lockdown,
            status: Cell::default(),
        })
    }

    pub fn cmdline(&self) -> &str {
        &self.expected.cmdline
    }

    pub fn kernel(&self) -> &[u8] {
        &self.kernel
    }

    pub fn initrd(&self) -> &[u8] {
        &self.initrd
    }

    /// Pages that are free in Xen's heap; 0 on bare metal.
    pub fn free_pages(&self) -> Result<u64> {
        self.xen.as_ref().map_or(Ok(0), Xen::free_pages)
    }

    /// Loads by `kexec_file_load`, with these flags.
    pub fn load_file(&self, flags: u64) -> Result<()> {
        by_file::load_at(self.lockdown, self.cmdline(), flags)
    }

    /// Loads by `call`, to the lowest places, and nothing else.
    pub fn load(&self, call: Call) -> Result<()> {
        self.load_to(call, Destination::Lowest)
    }

    /// Loads by `call`, and nothing else. `kexec_file_load` goes where it likes.
    fn load_to(&self, call: Call, destination: Destination) -> Result<()> {
        if call == Call::File {
            return self.load_file(0);
        }
        self.image(destination)?.load()
    }

    fn image(&self, destination: Destination) -> Result<Image<'_>> {
        let (cmdline, machine) = (&self.expected.cmdline, &self.machine);
        let place = (destination, machine);
        Image::new(&self.kernel, &self.initrd, cmdline, machine, place)
    }

    /// Loads by `call`, and checks what can be seen from here: all this is a test.
    pub fn test(&self, report: &mut Report, name: &str, call: Call) -> bool {
        self.test_to(report, name, call, Destination::Lowest)
    }

    /// The same to there.
    pub fn test_to(&self, report: &mut Report, name: &str, call: Call, to: Destination) -> bool {
        report.test(name, |report| self.load_and_check(report, call, to))
    }

    /// Checks what the kernel and Xen say, how much memory Xen has spent, how long the hypercall has
    /// taken.
    fn load_and_check(&self, report: &mut Report, call: Call, to: Destination) -> Result<()> {
        if call == Call::Load {
            self.tell_destination(report, to)?;
        }
        let mut log = KernelLog::from_now_on()?;
        let (before, started) = (self.free_pages()?, Instant::now());
        self.load_to(call, to)?;
        let took = started.elapsed().as_millis();
        let used = before.saturating_sub(self.free_pages()?);
        report.note(&format!("{} took {took} ms", call.name()));
        self.expect_loaded(true)?;
        report.note("/sys/kernel/kexec_loaded says 1");
        if module::is_loaded() {
            module::expect_map("default")?;
        }
        if self.xen.is_none() {
            return Ok(());
        }
        report.note(&format!("{used} pages of Xen's heap"));
        ensure!(used <= XEN_PAGES_MAX, "Xen has used {used} pages for it");
        // A measure, and no test: one sample is as long as somebody else has the processor.
        let time = hypercall_time(&log.lines()?);
        let time = time.context("the log does not say how long Xen took")?;
        report.note(&format!("load hypercall: {time} us"));
        Ok(())
    }

    /// Checks that the kernel says that an image is loaded, or not; what Xen says is kept for
    /// [`Self::xen_told_the_truth`].
    pub fn expect_loaded(&self, loaded: bool) -> Result<()> {
        kexec::expect_loaded(loaded)?;
        if let Some(xen) = &self.xen {
            let wrong = usize::from(xen.kexec_status()? != loaded);
            let (asked, lied) = self.status.get();
            self.status.set((asked + 1, lied + wrong));
        }
        Ok(())
    }

    /// Checks that nothing is loaded, and that Xen has as many free pages as it had.
    pub fn expect_nothing(&self, free: u64) -> Result<()> {
        self.expect_loaded(false)?;
        self.expect_free(free)
    }

    /// Checks that Xen has as many free pages as it had.
    pub fn expect_free(&self, before: u64) -> Result<()> {
        let now = self.free_pages()?;
        ensure!(
            now == before,
            "Xen had {before} free pages before, and now {now}"
        );
        Ok(())
    }

    /// Checks that Xen's own status, which other programs ask, was right every time.
    pub fn xen_told_the_truth(&self) -> Result<()> {
        let (asked, lied) = self.status.get();
        ensure!(
            lied == 0,
            "Xen's kexec status was wrong {lied} times out of {asked}"
        );
        Ok(())
    }

    fn tell_destination(&self, report: &mut Report, destination: Destination) -> Result<()> {
        let Image { places, sizes, .. } = self.image(destination)?;
        report.note(&format!("destination {destination}: {places:x?}"));
        if let Some(xen) = &self.xen {
            let ours = Ownership::read(xen)?.count(places.initrd, sizes.initrd);
            let pages = sizes.initrd >> 12;
            report.note(&format!("dom0 has {ours} of {pages} initrd pages"));
            report.note(&format!("Xen is at {:x?}", xen.own_range()?));
        }
        Ok(())
    }
}

/// Checks that a system call has failed, and with one of these error numbers.
pub fn expect_errno(result: io::Result<()>, wanted: &[i32]) -> Result<()> {
    let Err(error) = result else {
        bail!("it succeeded")
    };
    let number = error.raw_os_error().unwrap_or_default();
    ensure!(
        wanted.contains(&number),
        "{error}, and not one of {wanted:?}"
    );
    Ok(())
}

/// The same of a `call`, of which the log has to tell why, if it is the module that refuses it.
pub fn expect_refusal(
    wanted: &[i32],
    why: &str,
    call: impl FnOnce() -> io::Result<()>,
) -> Result<()> {
    let mut log = KernelLog::from_now_on()?;
    expect_errno(call(), wanted)?;
    match why {
        "" => Ok(()),
        why => log.expect(why),
    }
}
