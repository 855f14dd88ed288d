//! The machine's memory, as opposed to dom0's: its map, its RAM, and what to map of it.

use kernel::prelude::*;

use crate::backend::error::LoadError;
use crate::backend::handover::Place;
use crate::backend::tables::AllMemory;
use crate::pure::addr::{Addr, Mfn, Pfn, PAGE_SIZE};
use crate::pure::identity::{Attr, Levels, Origin, Paging, LOW_MEMORY};
use crate::pure::memmap::{E820Type, MapEntry};
use crate::pure::range::{MaRange, Range};
use crate::sys::p2m::{P2m, XenPv};
use crate::sys::{acpi, machine};

/// What only Xen's first kexec interface maps by itself: real-mode code, video, BIOS. The next
/// kernel needs it before it has page tables of its own.
pub(super) const FIRST_MIB: MaRange = match Addr::new(1 << 20) {
    Some(end) => match Range::new(Addr::ZERO, end) {
        Some(range) => range,
        None => Range::empty_at(Addr::ZERO),
    },
    None => Range::empty_at(Addr::ZERO),
};

/// The machine's memory.
pub(super) struct Machine {
    map: KVec<MapEntry>,
    ram: KVec<MaRange>,
}

impl Machine {
    /// Asks Xen for it.
    pub(super) fn query() -> Result<Self, LoadError> {
        let map = machine::memory_map().map_err(|e| LoadError::of_question(WHAT, e))?;
        let mut ram = KVec::new();
        let plain = Plain(&map);
        let mut scratch = plain.scratch()?;
        for run in plain.runs(&mut scratch)? {
            if run.attr == Attr::WriteBack {
                ram.push(run.range, GFP_KERNEL)
                    .map_err(|_| LoadError::NoMemory(WHAT))?;
            }
        }
        Ok(Self { map, ram })
    }

    /// The map, as Xen tells it.
    pub(super) fn map(&self) -> &[MapEntry] {
        &self.map
    }

    /// The whole pages of RAM, in order.
    pub(super) fn ram(&self) -> &[MaRange] {
        &self.ram
    }

    /// The pages of dom0's that lie in that.
    pub(super) fn mapped(&self) -> Mapped<'_> {
        Mapped { ram: &self.ram }
    }

    /// What a kernel that starts reads before it can handle a page fault, whatever the map says of it.
    fn asked_for() -> impl Iterator<Item = MaRange> {
        Iterator::chain([LOW_MEMORY].into_iter(), acpi::tables().iter().copied())
    }
}

/// What may be a destination: that must be plain RAM, so here ACPI's memory is like any other reserved one.
struct Plain<'a>(&'a [MapEntry]);

impl AllMemory for Plain<'_> {
    fn said(&self) -> impl Iterator<Item = (Origin, MaRange)> {
        self.0.iter().map(|entry| match entry.kind() {
            E820Type::Ram => entry.said(),
            _ => (Origin::Map(E820Type::Reserved), entry.range()),
        })
    }

    fn paging(&self) -> Paging {
        paging()
    }
}

impl AllMemory for Machine {
    fn said(&self) -> impl Iterator<Item = (Origin, MaRange)> {
        let map = self.map.iter().map(MapEntry::said);
        let asked_for = Self::asked_for().map(|range| (Origin::AskedFor, range));
        Iterator::chain(map, asked_for)
    }

    fn paging(&self) -> Paging {
        paging()
    }
}

/// Xen itself runs on four levels, and the hand-over is entered so.
fn paging() -> Paging {
    Paging {
        levels: Levels::Four,
        gib_pages: machine::has_gib_pages(),
    }
}

/// Pages of dom0's whose frames the map of all memory has, and no others: what the hand-over is to
/// find has to be in such ones. Memory that was added to the machine while it ran may be dom0's, and is
/// in no map of Xen's.
pub(super) struct Mapped<'a> {
    ram: &'a [MaRange],
}

impl<'a> Mapped<'a> {
    /// Where several of them in one piece may be.
    pub(super) fn place(&self) -> Place<'a, XenPv> {
        Place {
            p2m: &XenPv,
            ram: self.ram,
        }
    }
}

impl P2m for Mapped<'_> {
    fn to_machine(&self, pfn: Pfn) -> Option<Mfn> {
        let frame = XenPv.to_machine(pfn)?;
        let page = MaRange::from_len(frame.start(), PAGE_SIZE)?;
        page.is_in(self.ram).then_some(frame)
    }
}

/// What there is too little memory for, if there is.
const WHAT: &str = "the machine's memory map";
