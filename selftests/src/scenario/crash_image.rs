//! A crash kernel for a dom0 at hand, and all ways to load it.

use rkexec_protocol::choice::{Destination, Way};
use rkexec_protocol::scenario::Crash as Parameters;
use rkexec_protocol::Told;

use super::prelude::*;
use crate::core_header;
use crate::expect::Crash;
use crate::image::Image;
use crate::memory::{Entry, Map, RAM};
use crate::xen::Range;
use crate::{files, marker, past_kernel, vmcore};

const MIB: u64 = 1 << 20;

/// The crash kernel, its initrd, and what it will find.
pub struct CrashImage {
    pub loader: Loader,
    xen: Xen,
    area: Range,
    way: Way,
    with_default: bool,
}

impl CrashImage {
    /// Writes down what there is to find, and builds the initrd.
    pub fn new(told: &Told, parameters: Parameters, panics: bool) -> Result<Self> {
        let xen = Xen::open()?;
        let area = xen.crash_area()?.context("Xen has no crash area")?;
        let way = parameters.call;
        let mut plan = Plan::after(told);
        plan.words = "nr_cpus=1";
        plan.blob = parameters.blob;
        plan.next = parameters.next;
        plan.told.lockdown = parameters.lockdown;
        plan.told.marker = Some(marker::leave()?);
        plan.crash = Some(Crash {
            area: area.clone(),
            way,
            xen: xen::version()?,
            release: vmcore::release()?,
            cpus: told.cpus as usize,
            panics,
            low: stable_low_memory(&xen)?,
        });
        Ok(Self {
            loader: Loader::new(plan)?,
            xen,
            area,
            way,
            with_default: parameters.default,
        })
    }

    pub fn load(&self) -> Result<()> {
        match self.way {
            Way::File => self.loader.load_file(kexec::FILE_ON_CRASH),
            Way::Load => self.load_segments(),
            Way::Tools | Way::Door => {
                past_kernel::load_crash(KERNEL, INITRD, self.loader.cmdline())
            }
        }
    }

    /// Checks that all say that a crash image is loaded, or that none is, that the module has made
    /// the page tables for it, and that nothing has become of a default image.
    pub fn expect_loaded(&self, loaded: bool) -> Result<()> {
        let xen = self.xen.has_crash_image()?;
        ensure!(xen == loaded, "KEXEC_CMD_kexec_status says {xen}");
        if self.way == Way::Tools {
            return Ok(());
        }
        kexec::expect_crash_loaded(loaded)?;
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
        let Range { start, end } = self.area;
        let head = end - PAGE;
        let area = Map::new(vec![Entry {
            start,
            end: head,
            kind: RAM,
        }]);
        let handed = machine.others().and(&machine.ram().below(MIB)).and(&area);
        let cmdline = format!("elfcorehdr={head:#x} {}", self.loader.cmdline());
        let (kernel, initrd) = (self.loader.kernel(), self.loader.initrd());
        let place = (Destination::Lowest, &area);
        let image = Image::new(kernel, initrd, &cmdline, &handed, place)?;
        let mut notes = self.xen.crash_notes()?;
        notes.push(linux_notes()?);
        let header = core_header::build(&machine.ram().without(&self.area), &notes)?;
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
    let text = files::read(path)?;
    let (start, _) = text.split_once(' ').context(path)?;
    let start = files::hex(start).context(path)?;
    Ok(start..start + PAGE)
}
