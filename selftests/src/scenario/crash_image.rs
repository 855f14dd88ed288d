//! A crash kernel for a dom0 at hand, and all ways to load it.

use std::str::FromStr;

use anyhow::{bail, ensure, Context, Result};
use formats::bzimage::BzImage;

use super::loader::{file_load_locked_down, file_load_with, Loader, INITRD, KERNEL};
use super::Stage1;
use crate::core_header;
use crate::expect::{Crash, Head};
use crate::image::{Image, Sizes};
use crate::marker::Marker;
use crate::memory::{Entry, Map, RAM};
use crate::places::{self, Destination};
use crate::sys::kexec::{self, Segment};
use crate::xen::{self, Range, Xen};
use crate::{module, past_kernel, vmcore};

const PAGE: u64 = 4096;
const MIB: u64 = 1 << 20;

/// A way to load a crash image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `kexec_file_load(2)`.
    File,
    /// `kexec_load(2)`.
    Load,
    /// kexec-tools, past the kernel and so past the module.
    Tools,
}

impl FromStr for Way {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "file" => Ok(Self::File),
            "load" => Ok(Self::Load),
            "tools" => Ok(Self::Tools),
            _ => bail!("there is no way {text:?}"),
        }
    }
}

impl Way {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "kexec_file_load",
            Self::Load => "kexec_load",
            Self::Tools => "kexec -p",
        }
    }

    fn head(self) -> Head {
        match self {
            Self::File => Head::Module,
            Self::Load => Head::Tests,
            Self::Tools => Head::Tools,
        }
    }
}

/// The crash kernel, its initrd, and what it will find.
pub struct CrashImage {
    /// Kernel and initrd.
    pub loader: Loader,
    xen: Xen,
    way: Way,
    area: Range,
    with_default: bool,
}

impl CrashImage {
    /// Writes down what there is to find, and builds the initrd. If this system `panics`, it will
    /// know that it has crashed. All the while a default image is loaded, too, or none is.
    ///
    /// # Errors
    ///
    /// Xen has no crash area, or does not tell what is wanted of it.
    pub fn new(stage: &mut Stage1<'_>, way: Way, panics: bool, with_default: bool) -> Result<Self> {
        let xen = Xen::open()?;
        let area = xen.crash_area()?.context("Xen has no crash area")?;
        let crash = Crash {
            area,
            head: way.head(),
            xen: xen::version()?,
            release: vmcore::release()?,
            cpus: stage.params.need("cpus")?,
            panics,
            low: stable_low_memory(&xen)?,
        };
        let words = format!("nr_cpus=1 vmtest.marker={}", Marker::leave()?);
        let loader = Loader::for_crash(stage, &words, crash)?;
        Ok(Self {
            loader,
            xen,
            way,
            area,
            with_default,
        })
    }

    /// Loads it.
    ///
    /// # Errors
    ///
    /// The kernel's, or those of kexec-tools.
    pub fn load(&self) -> Result<()> {
        let cmdline = self.loader.cmdline();
        match self.way {
            Way::File => match &self.loader.lockdown {
                Some(level) => file_load_locked_down(cmdline, kexec::FILE_ON_CRASH, level),
                None => file_load_with(cmdline, kexec::FILE_ON_CRASH).context("kexec_file_load"),
            },
            Way::Load => self.load_segments(),
            Way::Tools => past_kernel::load_crash(KERNEL, INITRD, cmdline),
        }
    }

    /// Checks that all say that a crash image is loaded, or that none is, that the module has made
    /// the page tables for it, and that nothing has become of a default image.
    ///
    /// # Errors
    ///
    /// Who says something else.
    pub fn expect_loaded(&self, loaded: bool) -> Result<()> {
        let xen = self.xen.has_crash_image()?;
        ensure!(xen == loaded, "KEXEC_CMD_kexec_status says {xen}");
        if self.way == Way::Tools {
            return Ok(());
        }
        let kernel = kexec::crash_loaded()?;
        ensure!(kernel == loaded, "kexec_crash_loaded says {kernel}");
        self.loader.expect_loaded(self.with_default)?;
        self.loader.xen_told_the_truth()?;
        match (loaded, module::is_loaded()) {
            (true, true) => module::expect_map("crash"),
            _ => Ok(()),
        }
    }

    /// By `kexec_load`: kernel, initrd and start where there is room in the crash area, the head of
    /// the dump in its last page.
    fn load_segments(&self) -> Result<()> {
        let machine = &self.loader.machine;
        let (start, end) = (self.area.start, self.area.end());
        let head = end - PAGE;
        let area = Map::new(vec![Entry {
            start,
            end: head,
            kind: RAM,
        }]);
        let handed = machine.others().and(&machine.ram().below(MIB)).and(&area);
        let kernel = BzImage::parse(self.loader.kernel())?;
        let sizes = Sizes::of(kernel, self.loader.initrd(), &handed);
        let places = places::find(Destination::Lowest, &area, sizes)?;
        let cmdline = format!("elfcorehdr={head:#x} {}", self.loader.cmdline());
        let image = Image::new(kernel, self.loader.initrd(), &cmdline, &handed, places)?;
        let mut notes = self.xen.crash_notes()?;
        notes.push(linux_notes()?);
        let header = core_header::build(&machine.ram().without(start, end), &notes)?;
        ensure!(header.len() as u64 <= PAGE, "the head is too long");
        let mut segments = image.segments();
        segments.push(Segment::new(&header, head, PAGE));
        let flags = kexec::ARCH_X86_64 | kexec::ON_CRASH;
        kexec::load(image.entry(), &segments, flags).context("kexec_load")
    }
}

/// Those pages of the machine's low memory that do not change, with their digests.
fn stable_low_memory(xen: &Xen) -> Result<Vec<(u64, String)>> {
    let ram = xen.machine_map()?.ram();
    let is_ram = |page: u64| {
        let (start, end) = (page * PAGE, (page + 1) * PAGE);
        let lines = ram.entries().iter();
        lines.clone().any(|it| it.start <= start && end <= it.end)
    };
    let pages = xen.low_memory()?.into_iter().zip(xen.low_memory()?);
    Ok((0..)
        .zip(pages)
        .filter(|(page, (before, after))| is_ram(*page) && before == after)
        .map(|(page, (digest, _))| (page, hex::encode(digest)))
        .collect())
}

/// Where Linux has its vmcoreinfo: in a dom0 a machine address. The page behind the first one is
/// not behind it in the machine.
fn linux_notes() -> Result<Range> {
    let path = "/sys/kernel/vmcoreinfo";
    let text = std::fs::read_to_string(path).context(path)?;
    let (start, _) = text.trim().split_once(' ').context(path)?;
    let start = start.strip_prefix("0x").unwrap_or(start);
    Ok(Range {
        start: u64::from_str_radix(start, 16).context(path)?,
        bytes: PAGE,
    })
}
