//! The image: where in the machine's memory everything goes, and what it is entered with.
//!
//! ```text
//!   0      low memory: as it was (with UEFI, one page for what a BIOS would have left there)
//!   1 MiB  -
//!   2 MiB  the hypervisor, where it is linked to; elsewhere if it can be, and has to
//!          the lowest free pages from 1 MiB on:
//!            the kernel of dom0, its initrd, further modules
//!            the multiboot information
//!            the code that goes over to 32-bit mode, which is entered
//!   4 GiB  -
//! ```
//!
//! Page 0 stays as it is: Xen reads there what the BIOS has left. Where the running Xen has its own code nothing goes:
//! processors that dom0 has taken offline sleep in it.

use std::fs;

use anyhow::{bail, ensure, Context, Result};
use rkexec::addr::{Maddr, PAGE_SIZE};
use rkexec::mem_hole::End;
use rkexec::range::MaRange;
use rkexec_multiboot::Switch;

use crate::dom0_kernel;
use crate::hypervisor::{Hypervisor, Protocol};
use crate::kexec::{Segment, MOST_SEGMENTS};
use crate::low_memory;
use crate::machine::{Firmware, Host, Machine};
use crate::memory::{Memory, Wanted};
use crate::multiboot::{self, Information, Module};
use crate::start::{self, Start};

/// What `kexec_load(2)` takes.
pub struct Image {
    /// The machine's address at which it is entered, in 64-bit mode.
    pub entry: u64,
    pub segments: Vec<Segment>,
}

impl Image {
    /// Reads the files, and puts the image together.
    ///
    /// # Errors
    ///
    /// A file cannot be read, is not what it should be, or does not fit.
    pub fn build(start: &Start, machine: &Machine) -> Result<Self> {
        let path = &start.hypervisor.path;
        let read = start::read(path)?;
        let hypervisor =
            crate::hypervisor::unpack(read).and_then(|image| Hypervisor::parse(&image));
        let hypervisor = hypervisor.with_context(|| path.display().to_string())?;
        // The page for what a BIOS would have left is not RAM for the next Xen.
        let (memory, bios_data) = match machine.firmware {
            Firmware::Bios => (machine.memory.clone(), None),
            Firmware::Uefi { root_pointer } => {
                let place = low_memory::bios_data(&machine.memory, root_pointer);
                let (page, data) = place.context("Xen needs 68 KiB of RAM in one piece between 192 and 640 KiB when UEFI does not start it, and there are none")?;
                (machine.memory.without(page), Some(data))
            }
        };
        let mut building = Building::new(&memory, machine.host);
        let base = building.hypervisor(&hypervisor)?;
        let modules = building.modules(start)?;

        let command_line = start.hypervisor.command_line();
        let information = Information {
            command_line: &command_line,
            modules: &modules,
            map: memory.entries(),
            lower_kib: memory.lower_kib(),
            upper_kib: memory.upper_kib(),
            framebuffer: machine.framebuffer.clone(),
        };
        // It is as long wherever it is.
        let bytes = information.bytes(hypervisor.protocol, 0).len() as u64;
        let at = building.place("the multiboot information", bytes)?;
        let bytes = information.bytes(hypervisor.protocol, low(at.start())?);
        building.add(at, bytes);

        let page = building.place("the code that enters Xen", PAGE_SIZE)?;
        let switch = Switch {
            magic: multiboot::magic(hypervisor.protocol),
            information: low(at.start())?,
            entry: u32::try_from(base.raw() + hypervisor.entry_offset)?,
            bios_data,
        };
        building.add(page, switch.code().to_vec());
        building.finish(page.start())
    }
}

/// An image that is not complete.
struct Building<'a> {
    memory: &'a Memory,
    taken: Vec<MaRange>,
    segments: Vec<Segment>,
}

impl<'a> Building<'a> {
    fn new(memory: &'a Memory, host: Host) -> Self {
        let taken = match host {
            Host::Linux => vec![],
            Host::Xen(own) => vec![own.round_out(PAGE_SIZE)],
        };
        Self {
            memory,
            taken,
            segments: vec![],
        }
    }

    /// Puts the hypervisor where it is linked to, or where it may be. Returns where that is.
    fn hypervisor(&mut self, hypervisor: &Hypervisor) -> Result<Maddr> {
        let bytes = hypervisor.memory_bytes;
        let linked = Maddr::new(hypervisor.start).and_then(|start| MaRange::from_len(start, bytes));
        let linked = linked.context("Xen is linked to addresses that do not exist")?;
        let place = match hypervisor.protocol {
            _ if self.memory.is_free(linked, &self.taken) => Some(linked),
            Protocol::Multiboot2 {
                relocatable: Some(limits),
            } => {
                let wanted = Wanted {
                    bytes,
                    align: limits.align,
                    from: limits.min,
                    to: limits.max.saturating_add(1),
                    end: End::Bottom,
                };
                self.memory.place(wanted, &self.taken)
            }
            _ => None,
        };
        let Some(place) = place else {
            bail!(
                "there is no room for Xen ({}) in the machine's memory below 4 GiB",
                mib(bytes)
            );
        };
        self.taken.push(place);
        self.add(place, hypervisor.bytes.clone());
        Ok(place.start())
    }

    /// Reads the modules, when it is known that all of them are there and fit.
    fn modules(&mut self, start: &Start) -> Result<Vec<Module>> {
        let mut places = Vec::new();
        for file in &start.modules {
            let name = file.path.display().to_string();
            let metadata = fs::metadata(&file.path).with_context(|| name.clone())?;
            ensure!(
                metadata.is_file() && metadata.len() > 0,
                "{name}: it is no file, or empty"
            );
            places.push((self.place(&name, metadata.len())?, metadata.len()));
        }
        let mut modules = Vec::new();
        for (file, (place, length)) in start.modules.iter().zip(places) {
            let name = || file.path.display().to_string();
            let bytes = start::read(&file.path)?;
            ensure!(
                bytes.len() as u64 == length,
                "{}: it changes while it is read",
                name()
            );
            if modules.is_empty() {
                dom0_kernel::check(&file.path, &bytes).with_context(name)?;
            }
            let first = low(place.start())?;
            modules.push(Module {
                start: first,
                end: first + bytes.len() as u32,
                command_line: file.command_line(),
            });
            self.add(place, bytes);
        }
        Ok(modules)
    }

    /// The lowest free place for so many bytes.
    fn place(&mut self, what: &str, bytes: u64) -> Result<MaRange> {
        let place = self.memory.place(Wanted::low(bytes), &self.taken);
        let place = place.with_context(|| {
            format!("{what} ({}) does not fit: the machine has no such room below 4 GiB beside the rest", mib(bytes))
        })?;
        self.taken.push(place);
        Ok(place)
    }

    fn add(&mut self, place: MaRange, bytes: Vec<u8>) {
        self.segments.push(Segment {
            at: place.start(),
            bytes,
            memory_bytes: place.len_bytes(),
        });
    }

    fn finish(self, entry: Maddr) -> Result<Image> {
        let count = self.segments.len();
        ensure!(
            count <= MOST_SEGMENTS,
            "these are {} modules too many for kexec_load(2)",
            count - MOST_SEGMENTS
        );
        Ok(Image {
            entry: entry.raw(),
            segments: self.segments,
        })
    }
}

/// An address in 32 bits.
fn low(address: Maddr) -> Result<u32> {
    Ok(u32::try_from(address.raw())?)
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use rkexec::memmap::MapEntry;

    use super::*;
    use crate::hypervisor::Relocatable;

    const MIB: u64 = 1 << 20;

    /// RAM from 1 MiB up to there.
    fn memory(end: u64) -> Memory {
        let entry = MapEntry {
            start: MIB,
            len_bytes: end - MIB,
            kind_raw: 1,
        };
        Memory::new(vec![entry])
    }

    /// Linked to 2 MiB, as long as 4 MiB.
    fn hypervisor(relocatable: Option<Relocatable>) -> Hypervisor {
        Hypervisor {
            protocol: Protocol::Multiboot2 { relocatable },
            start: 2 * MIB,
            entry_offset: 0,
            bytes: vec![1; 100],
            memory_bytes: 4 * MIB,
        }
    }

    const ANYWHERE: Option<Relocatable> = Some(Relocatable {
        min: 2 * MIB,
        max: 0xffff_ffff,
        align: 2 * MIB,
    });

    fn range(start: u64, end: u64) -> MaRange {
        MaRange::new(Maddr::new(start).unwrap(), Maddr::new(end).unwrap()).unwrap()
    }

    #[test]
    fn xen_is_where_it_is_linked_to_if_it_can_be() {
        let memory = memory(64 * MIB);
        for relocatable in [None, ANYWHERE] {
            let mut building = Building::new(&memory, Host::Linux);
            let base = building.hypervisor(&hypervisor(relocatable)).unwrap();
            assert_eq!(base.raw(), 2 * MIB);
            let next = building.place("the next", 2 * MIB).unwrap();
            assert_eq!(next.start().raw(), 6 * MIB, "it takes its zeros, too");
        }
    }

    #[test]
    fn where_the_running_xen_is_it_is_not() {
        let memory = memory(64 * MIB);
        let host = Host::Xen(range(4 * MIB, 7 * MIB + 1));
        let mut building = Building::new(&memory, host);
        let base = building.hypervisor(&hypervisor(ANYWHERE)).unwrap();
        assert_eq!(base.raw(), 8 * MIB, "the lowest place that it may have");
        let mut building = Building::new(&memory, host);
        let refusal = building.hypervisor(&hypervisor(None)).unwrap_err();
        assert!(refusal
            .to_string()
            .starts_with("there is no room for Xen (4 MiB)"));
    }

    #[test]
    fn without_room_there_is_no_image() {
        let small = memory(5 * MIB);
        let mut building = Building::new(&small, Host::Linux);
        assert!(building.hypervisor(&hypervisor(ANYWHERE)).is_err());
        let refusal = building.place("/boot/initrd", 5 * MIB).unwrap_err();
        let expected = "/boot/initrd (5 MiB) does not fit: ";
        assert!(refusal.to_string().starts_with(expected));
    }
}
