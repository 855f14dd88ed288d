//! What the next kernel is to find mapped on bare metal.

use kernel::prelude::*;

use crate::backend::error::LoadError;
use crate::backend::handover::Place;
use crate::backend::tables::AllMemory;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::pure::identity::{Origin, Paging, LOW_MEMORY};
use crate::pure::range::{MaRange, PaRange, Range};
use crate::sys::iomem::{self, Ram};
use crate::sys::kimage::Kimage;
use crate::sys::p2m::Native;
use crate::sys::{acpi, cpu, efi, firmware_map, relocate};

/// All memory that is to be mapped beside what the firmware's map has.
pub(super) struct Memory {
    /// What the kernel uses as RAM, whatever the firmware said of it; and what the image, the
    /// kernel that leaves, and the one that comes need.
    write_back: KVec<MaRange>,
    /// Of that what the kernel uses as RAM, in order.
    ram: KVec<MaRange>,
    /// Devices.
    uncached: Option<MaRange>,
}

/// As many ranges as one finds on most machines, so that the list does not have to grow.
const USUAL_RANGES: usize = 48;

/// What there is too little memory for, if there is.
const WHAT: &str = "the machine's memory map";

impl Memory {
    /// Asks the kernel for it.
    pub(super) fn query(kimage: &Kimage<'_>) -> Result<Self, LoadError> {
        let efi = efi::tables().map_err(|e| LoadError::Kernel("reading the EFI tables", e))?;
        let mut memory = Self {
            write_back: KVec::with_capacity(USUAL_RANGES, GFP_KERNEL)
                .map_err(|_| LoadError::NoMemory(WHAT))?,
            ram: KVec::with_capacity(USUAL_RANGES, GFP_KERNEL)
                .map_err(|_| LoadError::NoMemory(WHAT))?,
            uncached: relocate::serial_port().and_then(|page| Native.range(page)),
        };
        memory.add(LOW_MEMORY)?;
        for &table in acpi::tables() {
            memory.add(table)?;
        }
        // Whole pages: what is left over at the edges is no RAM to the kernel either.
        iomem::for_system_ram(Ram::All, |range| {
            let range = Native.range(range.round_in(PAGE_SIZE)).ok_or(ERANGE)?;
            memory.write_back.push(range, GFP_KERNEL)?;
            memory.add_ram(range)
        })
        .map_err(|e| LoadError::Kernel("looking for the kernel's RAM", e))?;
        for index in 0..kimage.nr_segments() {
            let segment = kimage.requested_segment(index).unwrap_or_default();
            let range = Addr::new(segment.mem).and_then(|at| Range::from_len(at, segment.memsz));
            memory.add(range.ok_or(LoadError::Unsupported(
                "a segment lies beyond what the processor can address",
            ))?)?;
        }
        if let Some(tables) = efi {
            memory.add_physical(tables.system)?;
            memory.add_physical(tables.config)?;
        }
        Ok(memory)
    }

    /// Adds RAM, which may go on where the RAM before it ends.
    fn add_ram(&mut self, range: MaRange) -> Result {
        if let Some(last) = self
            .ram
            .last_mut()
            .filter(|last| last.end() == range.start())
        {
            *last = Range::new(last.start(), range.end()).ok_or(ERANGE)?;
            return Ok(());
        }
        Ok(self.ram.push(range, GFP_KERNEL)?)
    }

    /// Where the hand-over may be, and what it is to find.
    pub(super) fn place(&self) -> Place<'_, Native> {
        Place {
            p2m: &Native,
            ram: &self.ram,
        }
    }

    /// The kernel's own debug port, if it is one in memory.
    pub(super) fn device(&self) -> Option<MaRange> {
        self.uncached
    }

    fn add(&mut self, range: MaRange) -> Result<(), LoadError> {
        self.write_back
            .push(range, GFP_KERNEL)
            .map_err(|_| LoadError::NoMemory(WHAT))
    }

    fn add_physical(&mut self, range: PaRange) -> Result<(), LoadError> {
        Native.range(range).map_or(Ok(()), |range| self.add(range))
    }
}

impl AllMemory for Memory {
    fn said(&self) -> impl Iterator<Item = (Origin, MaRange)> {
        let firmware = firmware_map::entries().map(|entry| entry.said());
        let asked_for = self.write_back.iter();
        let device = self.uncached.iter();
        let named = Iterator::chain(
            asked_for.map(|range| (Origin::AskedFor, *range)),
            device.map(|range| (Origin::Device, *range)),
        );
        Iterator::chain(firmware, named)
    }

    fn paging(&self) -> Paging {
        cpu::paging()
    }
}
