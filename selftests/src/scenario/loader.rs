//! A next kernel at hand, and both ways to load it.

use std::cell::Cell;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{bail, ensure, Context, Result};
use formats::bzimage::BzImage;
use memmap2::Mmap;

use super::Stage1;
use crate::expect::{Crash, Expected};
use crate::image::{Image, Sizes};
use crate::initrd::{self, Contents};
use crate::kernel_log::{hypercall_time, KernelLog};
use crate::lockdown;
use crate::memory::Map;
use crate::module;
use crate::ownership::Ownership;
use crate::params::{Params, PREFIX};
use crate::places::{self, Destination};
use crate::sys::{kexec, late, mapped};
use crate::xen::{self, Xen};

/// The next kernel.
pub const KERNEL: &str = "/boot/vmlinuz";
const BASE: &str = "/boot/next-initrd";
/// Its initrd.
pub const INITRD: &str = "/tmp/initrd";

/// Pages that Xen may have for a loaded image: 2 MiB.
const XEN_PAGES_MAX: u64 = 512;
/// Megabytes of random bytes in the initrd, if the runner does not say.
const BLOB_MIB: u64 = 8;

/// A way to load an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `kexec_file_load(2)`.
    File,
    /// `kexec_load(2)`.
    Load,
}

impl Call {
    /// The name of the system call.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "kexec_file_load",
            Self::Load => "kexec_load",
        }
    }
}

impl FromStr for Call {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "file" => Ok(Self::File),
            "load" => Ok(Self::Load),
            _ => bail!("there is no call {text:?}"),
        }
    }
}

/// How often the next kernel is to load one itself (`vmtest.rounds=`, of which one is this kernel's).
///
/// # Errors
///
/// The parameter makes no sense.
pub fn rounds_left(params: &Params) -> Result<u32> {
    Ok(params.get("rounds")?.unwrap_or(1u32).saturating_sub(1))
}

/// The next kernel's command line: what this one was told, as far as it holds for the next, too,
/// and `vmtest.next=`, in which a plus sign stands for a blank.
fn next_cmdline(params: &Params) -> Result<String> {
    // `tsc=` as for all kernels on the bare machine (scripts/vm/src/machine.rs says why).
    let base = "console=ttyS0,115200 tsc=nowatchdog panic=-1 printk.devkmsg=on";
    let mut words = vec![base.to_owned()];
    let stage: u32 = params.get("stage")?.unwrap_or(1);
    words.push(format!("vmtest.stage={}", stage + 1));
    let mut names = vec!["ram", "cpus", "lines", "marker", "level", "lockdown"];
    match rounds_left(params)? {
        0 => {}
        left => {
            words.push(format!("vmtest.rounds={left}"));
            names.extend(["scenario", "syscall", "module"]);
        }
    }
    for name in names {
        if let Some(value) = params.get::<String>(name)? {
            words.push(format!("{PREFIX}{name}={value}"));
        }
    }
    if let Some(next) = params.get::<String>("next")? {
        words.push(next.replace('+', " "));
    }
    Ok(words.join(" "))
}

/// A kernel, its initrd on disk, and the machine that they are for.
pub struct Loader {
    /// The machine's memory.
    pub machine: Map,
    expected: Expected,
    kernel: Mmap,
    initrd: Mmap,
    xen: Option<Xen>,
    /// How far this kernel is to be locked down when `kexec_file_load` comes (`vmtest.lockdown=`).
    pub lockdown: Option<String>,
    /// How often Xen was asked for its status, and how often that was wrong.
    status: Cell<(usize, usize)>,
}

impl Loader {
    /// Builds the initrd that the runner wants (`vmtest.blob=`, in MiB).
    ///
    /// # Errors
    ///
    /// A file cannot be written, or Xen does not tell what is wanted of it.
    pub fn new(stage: &mut Stage1<'_>) -> Result<Self> {
        Self::with_words(stage, "")
    }

    /// The same for a next kernel that is told some more.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`].
    pub fn with_words(stage: &mut Stage1<'_>, words: &str) -> Result<Self> {
        Self::build(stage, BASE, words, None)
    }

    /// The same for a crash kernel.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`].
    pub fn for_crash(stage: &mut Stage1<'_>, words: &str, crash: Crash) -> Result<Self> {
        Self::build(stage, BASE, words, Some(crash))
    }

    /// The same with an initrd that begins with the one at `base`.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`].
    pub fn upon(stage: &mut Stage1<'_>, base: &str, words: &str) -> Result<Self> {
        Self::build(stage, base, words, None)
    }

    fn build(
        stage: &mut Stage1<'_>,
        base: &str,
        words: &str,
        crash: Option<Crash>,
    ) -> Result<Self> {
        let xen = if xen::is_dom0() {
            Some(Xen::open()?)
        } else {
            None
        };
        let machine = match &xen {
            Some(xen) => xen.machine_map()?,
            None => Map::of_firmware()?,
        };
        let mib = stage.params.get("blob")?.unwrap_or(BLOB_MIB);
        let mut cmdline = next_cmdline(stage.params)?;
        if !words.is_empty() {
            cmdline.push_str(&format!(" {words}"));
        }
        let (base, target) = (Path::new(base), Path::new(INITRD));
        let system = rounds_left(stage.params)? > 0;
        let what = Contents {
            blob_bytes: mib << 20,
            system,
            crash,
        };
        let expected = initrd::build(base, target, what, &cmdline, machine.clone())?;
        let (kernel, initrd) = (mapped::map(Path::new(KERNEL))?, mapped::map(target)?);
        Ok(Self {
            machine,
            expected,
            kernel,
            initrd,
            xen,
            lockdown: stage.params.get("lockdown")?,
            status: Cell::default(),
        })
    }

    /// Its command line.
    pub fn cmdline(&self) -> &str {
        &self.expected.cmdline
    }

    /// The kernel's file.
    pub fn kernel(&self) -> &[u8] {
        &self.kernel
    }

    /// Its initrd.
    pub fn initrd(&self) -> &[u8] {
        &self.initrd
    }

    /// Pages that are free in Xen's heap; 0 on bare metal.
    ///
    /// # Errors
    ///
    /// Xen's.
    pub fn free_pages(&self) -> Result<u64> {
        self.xen.as_ref().map_or(Ok(0), Xen::free_pages)
    }

    /// Loads by `call`, and nothing else.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn try_load(&self, call: Call, destination: Destination) -> Result<()> {
        match call {
            Call::File => match &self.lockdown {
                Some(level) => file_load_locked_down(self.cmdline(), 0, level),
                None => file_load(self.cmdline()).context("kexec_file_load"),
            },
            Call::Load => self.load(destination),
        }
    }

    /// Loads by `call`, and checks what can be seen from here: what the kernel and Xen say, how
    /// much memory Xen has spent, how long the hypercall has taken.
    ///
    /// # Errors
    ///
    /// The kernel's, or one of the checks.
    pub fn load_and_check(
        &self,
        stage: &mut Stage1<'_>,
        call: Call,
        destination: Destination,
    ) -> Result<()> {
        if call == Call::Load {
            self.tell_destination(stage, destination)?;
        }
        let mut log = KernelLog::from_now_on()?;
        let (before, started) = (self.free_pages()?, Instant::now());
        self.try_load(call, destination)?;
        let took = started.elapsed();
        let used = before.saturating_sub(self.free_pages()?);
        stage
            .report
            .note(&format!("{} took {} ms", call.name(), took.as_millis()));
        self.expect_loaded(true)?;
        stage.report.note("/sys/kernel/kexec_loaded says 1");
        if module::is_loaded() {
            module::expect_map("default")?;
        }
        if self.xen.is_none() {
            return Ok(());
        }
        stage.report.note(&format!("{used} pages of Xen's heap"));
        ensure!(used <= XEN_PAGES_MAX, "Xen has used {used} pages for it");
        // A measure, and no test: one sample is as long as somebody else has the processor.
        told_time(stage, &mut log)?;
        Ok(())
    }

    /// Checks that the kernel says that an image is loaded, or not; what Xen says is kept for
    /// [`Self::xen_told_the_truth`].
    ///
    /// # Errors
    ///
    /// The kernel says something else, or Xen does not answer.
    pub fn expect_loaded(&self, loaded: bool) -> Result<()> {
        let kernel = kexec::loaded()?;
        ensure!(
            kernel == loaded,
            "/sys/kernel/kexec_loaded says {}",
            u8::from(kernel)
        );
        if let Some(xen) = &self.xen {
            let wrong = usize::from(xen.kexec_status()? != loaded);
            let (asked, lied) = self.status.get();
            self.status.set((asked + 1, lied + wrong));
        }
        Ok(())
    }

    /// Checks that Xen's own status, which other programs ask, was right every time.
    ///
    /// # Errors
    ///
    /// It was not.
    pub fn xen_told_the_truth(&self) -> Result<()> {
        let (asked, lied) = self.status.get();
        ensure!(
            lied == 0,
            "Xen's kexec status was wrong {lied} times out of {asked}"
        );
        Ok(())
    }

    fn load(&self, destination: Destination) -> Result<()> {
        let kernel = BzImage::parse(&self.kernel)?;
        let sizes = Sizes::of(kernel, &self.initrd, &self.machine);
        let places = places::find(destination, &self.machine, sizes)?;
        let cmdline = &self.expected.cmdline;
        let image = Image::new(kernel, &self.initrd, cmdline, &self.machine, places)?;
        kexec::load(image.entry(), &image.segments(), kexec::ARCH_X86_64).context("kexec_load")
    }

    fn tell_destination(&self, stage: &mut Stage1<'_>, destination: Destination) -> Result<()> {
        let sizes = Sizes::of(BzImage::parse(&self.kernel)?, &self.initrd, &self.machine);
        let places = places::find(destination, &self.machine, sizes)?;
        stage
            .report
            .note(&format!("destination {destination}: {places:x?}"));
        if let Some(xen) = &self.xen {
            let owned = Ownership::read(xen)?;
            let ours = owned.count(places.initrd, sizes.initrd);
            stage.report.note(&format!(
                "dom0 has {ours} of {} initrd pages",
                sizes.initrd >> 12
            ));
            stage
                .report
                .note(&format!("Xen is at {:x?}", xen.own_range()?));
        }
        Ok(())
    }
}

/// Loads [`KERNEL`] and [`INITRD`] by `kexec_file_load(2)`.
///
/// # Errors
///
/// The kernel's.
pub fn file_load(cmdline: &str) -> io::Result<()> {
    file_load_with(cmdline, 0)
}

/// The same with these flags, in a kernel that is locked down (`level`) while it works on it.
///
/// No key that such a kernel wants a next kernel to be signed with is in the test machines. So it is
/// locked down when it has accepted the next kernel and comes to read the command line.
///
/// # Errors
///
/// The kernel's, or that it cannot be locked down.
pub fn file_load_locked_down(cmdline: &str, flags: u64, level: &str) -> Result<()> {
    let (kernel, initrd) = (File::open(KERNEL)?, File::open(INITRD)?);
    let cmdline = CString::new(cmdline)?;
    let len = cmdline.as_bytes_with_nul().len();
    let loaded = late::with_text(
        &cmdline,
        || lockdown::raise(level),
        // SAFETY: The string is there when the kernel reads it.
        |text| unsafe {
            kexec::file_load_at(kernel.as_fd(), Some(initrd.as_fd()), text, len, flags)
        },
    )?;
    loaded.context("kexec_file_load, locked down")
}

/// The same with these flags.
///
/// # Errors
///
/// The kernel's.
pub fn file_load_with(cmdline: &str, flags: u64) -> io::Result<()> {
    let (kernel, initrd) = (File::open(KERNEL)?, File::open(INITRD)?);
    let cmdline = CString::new(cmdline)?;
    kexec::file_load(kernel.as_fd(), Some(initrd.as_fd()), &cmdline, flags)
}

/// The time of the latest load hypercall, in microseconds.
fn told_time(stage: &mut Stage1<'_>, log: &mut KernelLog) -> Result<u64> {
    let time = hypercall_time(&log.lines()?).context("the log does not say how long Xen took")?;
    stage.report.note(&format!("load hypercall: {time} us"));
    Ok(time)
}

/// The error number of a system call that must not succeed.
///
/// # Errors
///
/// It succeeded, or failed with another number.
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
