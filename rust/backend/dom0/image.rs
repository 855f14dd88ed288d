//! A default image in dom0: its data stays in dom0's pages until the hand-over pulls it out.
//!
//! Xen gets the hand-over with its parameters, of which it keeps a copy, and is told to map the
//! page tables and the first MiB. All else is found by machine address: the parameters name the
//! page tables and the copy list, the list names the pages with the data. Tables, list and data
//! are verified by the hand-over before it relies on them.
//!
//! An [`Image`] is laid out in full before the first byte of data is copied, so that what can fail
//! fails early. The order matters: hand-over, tables and list first, then the sources, because a
//! source may turn out to be in place already but a list must never be in a destination.

use core::fmt;

use kernel::prelude::*;
use kernel::time::{Instant, Monotonic};

use super::handover::{safe_block, Handover};
use super::layout::{Layout, PAGES_AT_ONCE};
use super::memory::{self, Machine};
use crate::abi::handover::Params;
use crate::backend::error::LoadError;
use crate::backend::inspect::Tables;
use crate::pure::addr::{Addr, Maddr, Mfn, PAGE_SIZE};
use crate::pure::boot_params;
use crate::pure::claim::{self, SegmentClaim};
use crate::pure::identity::{self, Levels, Table};
use crate::pure::segment::{Segments, MAX_SEGMENTS};
use crate::sys::hypercall::{self, Segment};
use crate::sys::kimage::Kimage;
use crate::sys::log::Shown;
use crate::sys::p2m::{P2m, XenPv};
use crate::sys::pages::{resched, Block, Page};
use crate::sys::sha256::Sha256;

/// An image, from its layout on.
pub(super) struct Image {
    segments: Segments,
    layout: Layout,
    tables: Block,
    handover: Handover,
    params: Params,
    /// Over the data, as far as it has been copied.
    digest: Sha256,
    /// The segment that is to be loaded next.
    next: usize,
}

impl Image {
    /// Lays out the image: checks what the caller wants, finds pages for all of it, and builds the
    /// map and the copy list.
    pub(super) fn prepare(kimage: &mut Kimage<'_>) -> Result<Self, LoadError> {
        let machine = Machine::query()?;
        let (entry, rsi) = if kimage.is_file() {
            fix_boot_params(kimage, &machine)?
        } else {
            (kimage.entry(), 0)
        };
        let segments = check(kimage, entry, &machine)?;

        let p2m = XenPv;
        let handover = Handover::new(&segments, &p2m)?;
        let (tables, cr3, nr_tables) = build_tables(&machine, &segments, &p2m)?;

        let layout = Layout::new(&segments, &p2m)?;

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
            params_digest: Default::default(),
        };
        Ok(Self {
            segments,
            layout,
            tables,
            handover,
            params,
            digest: Sha256::new(),
            next: 0,
        })
    }

    /// Copies the data of segment `index` into its pages. With the last one the image is complete,
    /// and goes to Xen.
    pub(super) fn load_segment(
        &mut self,
        kimage: &Kimage<'_>,
        index: usize,
    ) -> Result<(), LoadError> {
        let slots = (self.segments.slots_of(index))
            .filter(|_| index == self.next)
            .and_then(|slots| self.layout.sources.0.get(slots))
            .ok_or(LoadError::Kernel("the order of the segments", EINVAL))?;
        for (nr, source) in slots.iter().flatten().enumerate() {
            // SAFETY: The page is in a slot of ours, and nobody else writes to it.
            let page = unsafe { source.page.bytes_mut() };
            kimage
                .read(index, nr.saturating_mul(page.len()), page)
                .map_err(|_| LoadError::Unreadable { segment: index })?;
            self.digest.update(page);
            if nr % PAGES_AT_ONCE == 0 {
                resched();
            }
        }
        self.next = self.next.saturating_add(1);
        if self.next == self.segments.count() {
            self.params.image_digest = self.digest.finish();
            self.handover
                .set_params(&self.params)
                .ok_or(LoadError::Kernel("writing the hand-over's parameters", EIO))?;
            self.announce(kimage);
        }
        Ok(())
    }

    /// Whether all segments have been loaded.
    pub(super) fn is_complete(&self) -> bool {
        self.next == self.segments.count()
    }

    /// Hands what Xen needs of the image to Xen, in place of what it has. Neither allocates nor
    /// sleeps, and may be repeated.
    pub(super) fn give_to_xen(&self) -> Result {
        let (Some(handover), Some(entry)) = (self.handover.range(), self.handover.entry()) else {
            return Err(EIO);
        };
        hypercall::load(
            entry,
            &[
                Segment {
                    dest: memory::FIRST_MIB,
                    data: None,
                },
                Segment {
                    dest: handover,
                    data: Some(self.handover.bytes()),
                },
                Segment {
                    dest: self.tables.range(),
                    data: None,
                },
            ],
        )
    }

    /// Shows the tables that the next kernel will find.
    pub(super) fn show_tables(
        &self,
        show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
    ) -> fmt::Result {
        // SAFETY: A table is integers.
        let tables = unsafe { self.tables.as_pages::<Table>() };
        let first = self.tables.range().start();
        let root = Addr::new(self.params.cr3).and_then(Mfn::new);
        root.map_or(Ok(()), |root| {
            show(&Tables {
                root,
                levels: Levels::Four,
                at: &|frame| {
                    let offset = frame.start().checked_offset_from(first)?;
                    tables.get(usize::try_from(offset / PAGE_SIZE).ok()?)
                },
            })
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

/// Builds the map of all memory, where no destination is. Returns the tables, the root among them,
/// and how many there are.
fn build_tables(
    machine: &Machine,
    segments: &Segments,
    p2m: &impl P2m,
) -> Result<(Block, Mfn, usize), LoadError> {
    let mut scratch = machine.scratch()?;
    let runs = machine.runs(&mut scratch)?;
    let layout = machine.layout();
    let nr = identity::table_count(runs, layout)?;
    let mut block = safe_block(nr, segments, p2m, "the page tables in one piece")?;
    let first = block.range().start();
    let frame = |index: usize, _: &Table| {
        let offset = (index as u64).checked_mul(PAGE_SIZE)?;
        Mfn::new(first.checked_add(offset)?)
    };
    // SAFETY: A table is 512 integers.
    let tables = unsafe { block.as_pages_mut::<Table>() };
    let root = identity::build(runs, layout, tables, frame)?;
    Ok((block, root, nr))
}

/// Makes the boot parameters of a file image true of the machine. Returns the entry point of the
/// kernel and the address of the parameters.
fn fix_boot_params(kimage: &mut Kimage<'_>, machine: &Machine) -> Result<(u64, u64), LoadError> {
    let regs = kimage
        .file_entry()
        .map_err(|e| LoadError::Kernel("looking for the kernel's entry point", e))?;
    let params = kimage.file_data_at(regs.rsi).ok_or(LoadError::Kernel(
        "looking for the boot parameters",
        ENOEXEC,
    ))?;
    boot_params::fix_up(params, machine.map(), None)?;
    Ok((regs.rip, regs.rsi))
}

/// Checks the segments that the caller asks for.
fn check(kimage: &Kimage<'_>, entry: u64, machine: &Machine) -> Result<Segments, LoadError> {
    let mut claims = [SegmentClaim::default(); MAX_SEGMENTS];
    let nr = kimage.nr_segments();
    for (index, place) in claims.iter_mut().enumerate().take(nr) {
        *place = kimage.claim(index).unwrap_or_default();
    }
    let claims = claims.get(..nr).unwrap_or(&claims);
    Ok(claim::check(claims, entry, machine.ram())?)
}
