//! A default image in dom0: its data stays in dom0's pages until the hand-over pulls it out.
//!
//! Xen gets the hand-over with its parameters, of which it keeps a copy ([`Passage`]). All else is
//! found by machine address: the parameters name the page tables and the copy list, the list names
//! the pages with the data. Tables, list and data are verified by the hand-over before it relies on
//! them.
//!
//! A [`DefaultImage`] is laid out in full before the first byte of data is copied, so that what can fail
//! fails early. The order matters: hand-over, tables and list first, then the sources, because a
//! source may turn out to be in place already but a list must never be in a destination.

use core::fmt;

use kernel::prelude::*;
use kernel::time::{Instant, Monotonic};

use super::claims::Claims;
use super::extension::Extension;
use super::handover::{safe_block, Handover};
use super::layout::{Layout, PAGES_AT_ONCE};
use super::lockdown;
use super::memory::{self, Machine, Mapped};
use super::passage::Passage;
use super::tables;
use super::{give_way, unreadable};
use crate::abi::handover::Params;
use crate::backend::error::LoadError;
use crate::backend::inspect::Tables;
use crate::pure::addr::{Addr, Maddr, Mfn, PAGE_SIZE};
use crate::pure::boot_params;
use crate::pure::identity::Table;
use crate::pure::segment::{Segment, Segments};
use crate::sys::kimage::Kimage;
use crate::sys::log::Shown;
use crate::sys::machine;
use crate::sys::p2m::XenPv;
use crate::sys::pages::{Block, Page};
use crate::sys::sha256::Sha256;

/// An image, from its layout on.
pub(super) struct DefaultImage {
    segments: KBox<Segments>,
    /// What is in the last of them, if it is one of ours.
    extension: Option<Extension>,
    layout: Layout,
    tables: Block,
    handover: Handover,
    passage: Passage,
    params: Params,
    /// Over the data, as far as it has been copied.
    digest: Sha256,
    /// The segment that is to be loaded next.
    next: usize,
}

impl DefaultImage {
    /// Lays out the image: checks what the caller wants, finds pages for all of it, and builds the
    /// map and the copy list.
    #[inline(never)] // Its stack frame is large enough by itself.
    pub(super) fn prepare(kimage: &mut Kimage<'_>) -> Result<KBox<Self>, LoadError> {
        let machine = Machine::query()?;
        let mapped = machine.mapped();
        let Demand {
            segments,
            extension,
            rsi,
        } = Demand::read(kimage, &machine, &mapped)?;
        warn_of_xen(&segments);

        let handover = Handover::new(&segments, &mapped)?;
        let (tables, cr3, nr_tables) = build_tables(&machine, &segments, &mapped)?;
        let passage = Passage::new(&handover, &tables, &XenPv)?;

        let layout = Layout::new(&segments, &mapped)?;

        let table_bytes = nr_tables.saturating_mul(PAGE_SIZE as usize);
        let mut list_digest = Sha256::new();
        for page in &layout.list {
            list_digest.update(page.bytes());
        }
        let params = Params {
            cr3: cr3.start().raw(),
            tables: tables.range().start().raw(),
            nr_tables: nr_tables as u64,
            tables_digest: Sha256::digest(tables.bytes().get(..table_bytes).unwrap_or_default()),
            list: layout
                .list
                .first()
                .and_then(Page::mfn)
                .map_or(0, |mfn| mfn.start().raw()),
            nr_list_pages: layout.list.len() as u64,
            list_digest: list_digest.finish(),
            image_digest: Default::default(),
            entry: segments.entry().raw(),
            rsi,
            serial_port: crate::serial_port(),
            flags: crate::handover_flags(),
            backup: 0,
            params_digest: Default::default(),
        };
        let image = Self {
            segments,
            extension,
            layout,
            tables,
            handover,
            passage,
            params,
            digest: Sha256::new(),
            next: 0,
        };
        KBox::new(image, GFP_KERNEL).map_err(|_| LoadError::NoMemory("the image"))
    }

    /// Copies the data of segment `index` into its pages. With the kernel's last one the image is
    /// complete, and goes to Xen.
    pub(super) fn load_segment(
        &mut self,
        kimage: &Kimage<'_>,
        index: usize,
    ) -> Result<(), LoadError> {
        self.copy_in(index, |_, offset, page| {
            kimage
                .read(index, offset, page)
                .map_err(|_| unreadable(index))
        })?;
        if self.next == kimage.nr_segments() && self.extension.is_some() {
            self.copy_in(self.next, |extension, offset, page| {
                if let Some(extension) = extension {
                    extension.read(offset, page);
                }
                Ok(())
            })?;
        }
        if self.is_complete() {
            self.params.image_digest = self.digest.finish();
            self.handover.write(&self.params)?;
            self.announce(kimage);
        }
        Ok(())
    }

    /// Fills the pages of segment `index`, each by what `read` copies to it from an offset on.
    fn copy_in(
        &mut self,
        index: usize,
        read: impl Fn(Option<&Extension>, usize, &mut [u8]) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let slots = (self.segments.slots_of(index))
            .filter(|_| index == self.next)
            .and_then(|slots| self.layout.sources.0.get(slots))
            .ok_or(LoadError::Kernel("the order of the segments", EINVAL))?;
        for (nr, source) in slots.iter().flatten().enumerate() {
            // SAFETY: The page is in a slot of ours, and nobody else writes to it.
            let page = unsafe { source.page.bytes_mut() };
            read(self.extension.as_ref(), nr.saturating_mul(page.len()), page)?;
            self.digest.update(page);
            if nr % PAGES_AT_ONCE == 0 {
                give_way()?;
            }
        }
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Whether all segments have been loaded.
    pub(super) fn is_complete(&self) -> bool {
        self.next == self.segments.count()
    }

    /// Hands what Xen needs of the image to Xen, in place of what it has. Neither allocates nor
    /// sleeps, and may be repeated.
    pub(super) fn give_to_xen(&self) -> Result {
        self.passage.load(&self.handover, &self.tables)
    }

    /// Shows the tables that the next kernel will find.
    pub(super) fn show_tables(
        &self,
        show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let tables = self.tables.as_pages::<Table>();
        let root = Addr::new(self.params.cr3).and_then(Mfn::new);
        root.map_or(Ok(()), |root| {
            tables::show(root, tables, self.tables.range().start(), show)
        })
    }

    /// Tells the log where things are.
    fn announce(&self, kimage: &Kimage<'_>) {
        let bytes = self.segments.iter().fold(0u64, |sum, segment| {
            sum.saturating_add(segment.dst().len_bytes())
        });
        let nr = self.segments.count();
        pr_info!(
            "{}: {nr} segments, {} MiB, to be entered at {}\n",
            kimage.call(),
            bytes >> 20,
            Shown(self.segments.entry())
        );
        let first_source = self.layout.sources.0.iter().flatten().next();
        pr_info!(
            "hand-over at {}, {} page tables at {}, copy list of {} pages at ma:{:#x}, first source page {}\n",
            Shown(self.handover.range().unwrap_or(memory::FIRST_MIB).start()),
            self.params.nr_tables,
            Shown(self.tables.range().start()),
            self.layout.list.len(),
            self.params.list,
            Shown(first_source.map_or(Maddr::ZERO, |source| source.frame.start())),
        );
    }

    /// Gives the image to Xen for the first time and tells the log how long that took.
    pub(super) fn hand_in(&self) -> Result<(), LoadError> {
        let start = Instant::<Monotonic>::now();
        self.give_to_xen()
            .map_err(|e| LoadError::Xen("the hand-over", e))?;
        let took = start.elapsed();
        pr_info!(
            "Xen has the hand-over: {} KiB, load hypercall {} us\n",
            self.handover.bytes().len() >> 10,
            took.as_micros_ceil()
        );
        Ok(())
    }
}

/// Says so if the image is to be where Xen is. That is its caller's choice, and works as long as all
/// processors of the machine take part: one that is offline sleeps in Xen's code, on Xen's data.
fn warn_of_xen(segments: &Segments) {
    let Some(xen) = machine::xen_image() else {
        return;
    };
    let over_xen = |(_, segment): &(usize, &Segment)| segment.dst().overlaps(xen);
    if let Some((index, segment)) = segments.iter().enumerate().find(over_xen) {
        pr_warn!(
            "segment {index} ({}) lies over Xen ({}): a processor that is offline may wake up in it\n",
            Shown(segment.dst()),
            Shown(xen)
        );
    }
}

/// Builds the map of all memory, where no destination is. Returns the tables, the root among them,
/// and how many there are.
fn build_tables(
    machine: &Machine,
    segments: &Segments,
    mapped: &Mapped<'_>,
) -> Result<(Block, Mfn, usize), LoadError> {
    let nr = tables::count(machine)?;
    let mut block = safe_block(nr, segments, mapped, "the page tables in one piece")?;
    let first = block.range().start();
    let root = tables::build(machine, block.as_pages_mut(), first)?;
    Ok((block, root, nr))
}

/// What the caller of the system call wants, made true of the machine.
struct Demand {
    segments: KBox<Segments>,
    extension: Option<Extension>,
    /// The address of the boot parameters, where they are known.
    rsi: u64,
}

impl Demand {
    fn read(
        kimage: &mut Kimage<'_>,
        machine: &Machine,
        mapped: &Mapped<'_>,
    ) -> Result<Self, LoadError> {
        let mut claims = Claims::of(kimage);
        if !kimage.is_file() {
            return Ok(Self {
                segments: claims.check(kimage.entry(), machine.ram())?,
                extension: None,
                rsi: 0,
            });
        }
        let regs = kimage
            .file_entry()
            .map_err(|e| LoadError::Kernel("looking for the kernel's entry point", e))?;
        let mut segments = claims.check(regs.rip, machine.ram())?;
        let mut extension = Extension::new(machine.map().len(), &segments, mapped)?;
        if let Some(extension) = &extension {
            claims.add(extension.claim())?;
            segments = claims.check(regs.rip, machine.ram())?;
        }
        let params = kimage.file_data_at(regs.rsi).ok_or(LoadError::Kernel(
            "looking for the boot parameters",
            ENOEXEC,
        ))?;
        lockdown::hand_on(params, regs.rsi)?;
        let room = extension.as_mut().map(Extension::room);
        boot_params::fix_up(params, machine.map(), room)?;
        Ok(Self {
            segments,
            extension,
            rsi: regs.rsi,
        })
    }
}
