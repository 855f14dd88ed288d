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

use kernel::prelude::*;
use kernel::time::{Instant, Monotonic};

use super::handover::{safe_block, Handover};
use super::memory::Machine;
use crate::abi::handover::{ListPage, Params};
use crate::backend::error::LoadError;
use crate::pure::addr::{Maddr, Mfn, PAGE_SIZE};
use crate::pure::boot_params;
use crate::pure::claim::{self, SegmentClaim};
use crate::pure::copylist::{list_pages_bound, CopyList, Written};
use crate::pure::identity::{self, Table};
use crate::pure::placement::{Offer, Placement, Source};
use crate::pure::segment::{Segments, MAX_SEGMENTS};
use crate::sys::hypercall::{self, Segment};
use crate::sys::kimage::Kimage;
use crate::sys::log::Shown;
use crate::sys::p2m::{P2m, XenPv};
use crate::sys::pages::{resched, Block, Page, RawPage};
use crate::sys::sha256::Sha256;

/// Between two looks at whether somebody else should run, so many pages are copied.
const PAGES_AT_ONCE: usize = 256;

/// The pages of an image's data, owned.
struct Sources(KVVec<Option<Source<RawPage>>>);

impl Drop for Sources {
    fn drop(&mut self) {
        for source in self.0.iter().flatten() {
            // SAFETY: The pages were allocated for the slots, and are in one of them each.
            unsafe { source.page.free() };
        }
    }
}

/// An image, from its layout on.
pub(super) struct Image {
    segments: Segments,
    sources: Sources,
    /// Pages that lie in a destination's tail, kept so that nothing else uses them.
    _parked: KVec<Page>,
    list: KVec<Page>,
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

        let mut layout = Layout::new(&segments)?;
        layout.reserve_list(&segments, &p2m)?;
        layout.fill_slots(&segments, &p2m)?;
        layout.write_list(&segments)?;
        let Layout {
            sources,
            parked,
            list,
        } = layout;

        let table_bytes = nr_tables.saturating_mul(PAGE_SIZE as usize);
        let mut list_digest = Sha256::new();
        for page in &list {
            list_digest.update(page.bytes());
        }
        let params = Params {
            cr3: cr3.start().raw(),
            tables: tables.range().start().raw(),
            nr_tables: nr_tables as u64,
            tables_digest: Sha256::digest(tables.bytes().get(..table_bytes).unwrap_or_default()),
            list: list
                .first()
                .and_then(Page::mfn)
                .map_or(0, |mfn| mfn.start().raw()),
            nr_list_pages: list.len() as u64,
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
            sources,
            _parked: parked,
            list,
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
            .and_then(|slots| self.sources.0.get(slots))
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
            self.announce(kimage.is_file());
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
                    dest: super::memory::FIRST_MIB,
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

    /// Tells the log where things are.
    fn announce(&self, file: bool) {
        let call = if file {
            "kexec_file_load"
        } else {
            "kexec_load"
        };
        let bytes = self.segments.iter().fold(0u64, |sum, segment| {
            sum.saturating_add(segment.dst().len_bytes())
        });
        let nr = self.segments.count();
        pr_info!(
            "{call}: {nr} segments, {} MiB, to be entered at {}\n",
            bytes >> 20,
            Shown(self.segments.entry())
        );
        let first_source = self.sources.0.iter().flatten().next();
        pr_info!(
            "hand-over at {}, {} page tables at {}, copy list of {} pages at ma:{:#x}, first source page {}\n",
            Shown(self.handover.range().unwrap_or(super::memory::FIRST_MIB).start()),
            self.params.nr_tables,
            Shown(self.tables.range().start()),
            self.list.len(),
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

/// The pages of an image while they are being found.
struct Layout {
    sources: Sources,
    parked: KVec<Page>,
    list: KVec<Page>,
}

impl Layout {
    fn new(segments: &Segments) -> Result<Self, LoadError> {
        let slots = KVVec::from_elem(None, segments.slots(), GFP_KERNEL)
            .map_err(|_| LoadError::NoMemory("the list of the image's pages"))?;
        Ok(Self {
            sources: Sources(slots),
            parked: KVec::new(),
            list: KVec::new(),
        })
    }

    /// Finds as many pages for the copy list as it can need at most.
    fn reserve_list(&mut self, segments: &Segments, p2m: &impl P2m) -> Result<(), LoadError> {
        let wanted = list_pages_bound(segments);
        self.list
            .reserve(wanted, GFP_KERNEL)
            .map_err(|_| LoadError::NoMemory("the copy list"))?;
        let mut placement = placement(segments, &mut self.sources)?;
        while self.list.len() < wanted {
            let (page, frame) = alloc(p2m, &mut self.parked)?;
            match placement.offer_spare(page, frame) {
                Offer::Placed => {}
                Offer::Park(source) => park(&mut self.parked, source.page)?,
                Offer::Spare(source) => {
                    // SAFETY: The placement has handed the page back, so it is ours alone.
                    let page = unsafe { Page::from_raw(source.page, Some(source.frame)) };
                    self.list
                        .push(page, GFP_KERNEL)
                        .map_err(|_| LoadError::NoMemory("the copy list"))?;
                }
            }
        }
        Ok(())
    }

    /// Finds a page for each page of the data.
    fn fill_slots(&mut self, segments: &Segments, p2m: &impl P2m) -> Result<(), LoadError> {
        let mut placement = placement(segments, &mut self.sources)?;
        let mut nr: usize = 0;
        while !placement.is_full() {
            let (page, frame) = alloc(p2m, &mut self.parked)?;
            match placement.offer(page, frame) {
                Offer::Placed => {}
                Offer::Park(source) => park(&mut self.parked, source.page)?,
                // SAFETY: The placement has handed the page back, and nobody needs it.
                Offer::Spare(source) => unsafe { source.page.free() },
            }
            nr = nr.wrapping_add(1);
            if nr % PAGES_AT_ONCE == 0 {
                resched();
            }
        }
        Ok(())
    }

    /// Writes the copy list and frees what it did not need of its pages.
    fn write_list(&mut self, segments: &Segments) -> Result<(), LoadError> {
        let copies = CopyList::new(segments, &self.sources.0)?;
        let mut writer = copies.writer();
        let mut used: usize = 0;
        loop {
            let next = self.list.get(used.saturating_add(1)).and_then(Page::mfn);
            let page = self
                .list
                .get_mut(used)
                .ok_or(crate::pure::copylist::ListError::NoPage)?;
            used = used.saturating_add(1);
            // SAFETY: A list page is integers, and as large as a page.
            let page = unsafe { page.as_mut::<ListPage>() };
            match writer.write(page, next)? {
                Written::More => {}
                Written::Last => break,
            }
        }
        self.list.truncate(used);
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
    let frame = |index: usize| {
        let offset = (index as u64).checked_mul(PAGE_SIZE)?;
        Mfn::new(first.checked_add(offset)?)
    };
    // SAFETY: A table is 512 integers.
    let tables = unsafe { block.as_pages_mut::<Table>() };
    let root = identity::build(runs, layout, tables, frame)?;
    Ok((block, root, nr))
}

fn placement<'a>(
    segments: &'a Segments,
    sources: &'a mut Sources,
) -> Result<Placement<'a, RawPage>, LoadError> {
    // It refuses only a wrong number of slots, and `Layout::new` made the right one.
    Placement::new(segments, &mut sources.0)
        .ok_or(LoadError::Kernel("laying out the image", EINVAL))
}

/// A page and the machine frame behind it. Pages with none of their own are put aside.
fn alloc(p2m: &impl P2m, parked: &mut KVec<Page>) -> Result<(RawPage, Mfn), LoadError> {
    loop {
        let page = RawPage::alloc().ok_or(LoadError::NoMemory("the image"))?;
        match page.pfn().and_then(|pfn| p2m.to_machine(pfn)) {
            Some(frame) => return Ok((page, frame)),
            None => park(parked, page)?,
        }
    }
}

/// Keeps a page that cannot be used until the image goes.
fn park(parked: &mut KVec<Page>, page: RawPage) -> Result<(), LoadError> {
    // SAFETY: The page was allocated by `alloc` and is in no slot.
    let page = unsafe { Page::from_raw(page, None) };
    parked
        .push(page, GFP_KERNEL)
        .map_err(|_| LoadError::NoMemory("the image"))
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
