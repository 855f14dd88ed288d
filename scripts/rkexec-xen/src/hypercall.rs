//! What a dom0 asks Xen: two questions, by `/dev/xen/privcmd`.

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use memmap2::{MmapMut, MmapOptions};
use nix::sys::ioctl::NONE;
use nix::{ioc, ioctl_readwrite_bad};
use rkexec::abi::xen_kexec;
use rkexec::addr::Maddr;
use rkexec::memmap::MapEntry;
use rkexec::range::MaRange;

const DEVICE: &str = "/dev/xen/privcmd";

/// `__HYPERVISOR_memory_op` (`xen/include/public/xen.h`).
const MEMORY_OP: u64 = 12;
/// `XENMEM_machine_memory_map` (`xen/include/public/memory.h`).
const MACHINE_MEMORY_MAP: u64 = 10;
/// `__HYPERVISOR_kexec_op`.
const KEXEC_OP: u64 = 37;

/// `struct e820entry` of Xen's: start, length, type.
const ENTRY_BYTES: usize = 20;
/// As many as Xen has at most (`E820MAX`).
const MOST_ENTRIES: usize = 1024;
/// Where the entries are in the buffer, behind the arguments.
const ENTRIES_AT: usize = 64;

/// `struct privcmd_hypercall` (`xen/privcmd.h`).
#[repr(C)]
struct Hypercall {
    op: u64,
    arg: [u64; 5],
}

ioctl_readwrite_bad!(
    privcmd_hypercall,
    ioc!(NONE, b'P', 0, size_of::<Hypercall>()),
    Hypercall
);

/// The hypervisor that runs.
pub struct Xen {
    privcmd: File,
    /// What hypercalls take and give: Xen takes no page faults for a guest, so it stays in memory.
    buffer: MmapMut,
}

impl Xen {
    /// # Errors
    ///
    /// Its driver is not there, or not for us.
    pub fn open() -> Result<Self> {
        let privcmd = File::options().read(true).write(true).open(DEVICE);
        let privcmd = privcmd
            .context(DEVICE)
            .context("Xen cannot be asked (is the module xen-privcmd loaded?)")?;
        let bytes = ENTRIES_AT + MOST_ENTRIES * ENTRY_BYTES;
        let buffer = MmapOptions::new()
            .len(bytes)
            .populate()
            .map_anon()
            .context("mmap")?;
        buffer.lock().context("mlock")?;
        Ok(Self { privcmd, buffer })
    }

    /// The memory map of the machine, not of dom0.
    pub fn memory_map(&mut self) -> Result<Vec<MapEntry>> {
        // `struct xen_memory_map`: how many entries there is room for, and where.
        let entries = self.buffer.as_ptr() as u64 + ENTRIES_AT as u64;
        self.put(0, MOST_ENTRIES as u64);
        self.put(8, entries);
        let asked = self.call(MEMORY_OP, MACHINE_MEMORY_MAP);
        asked.context("Xen does not tell the machine's memory map")?;
        let count = usize::from(u16::from_le_bytes(self.bytes(0))).min(MOST_ENTRIES);
        let entry = |number| {
            let at = ENTRIES_AT + number * ENTRY_BYTES;
            MapEntry {
                start: u64::from_le_bytes(self.bytes(at)),
                len_bytes: u64::from_le_bytes(self.bytes(at + 8)),
                kind_raw: u32::from_le_bytes(self.bytes(at + 16)),
            }
        };
        Ok((0..count).map(entry).collect())
    }

    /// Where Xen's own code is: processors that dom0 has taken offline sleep in it.
    pub fn own_range(&mut self) -> Result<MaRange> {
        // `xen_kexec_range_t`: which range, for which processor, size, start.
        let which = u64::from(xen_kexec::RANGE_XEN as u32);
        [which, 0, 0]
            .into_iter()
            .zip([0, 8, 16])
            .for_each(|(value, at)| self.put(at, value));
        let asked = self.call(KEXEC_OP, xen_kexec::CMD_GET_RANGE.into());
        asked.context(
            "Xen does not tell where it is (was it built without kexec, or is this a PVH dom0?)",
        )?;
        let [size, start] = [8, 16].map(|at| u64::from_le_bytes(self.bytes(at)));
        let range = Maddr::new(start).and_then(|start| MaRange::from_len(start, size));
        range.context("Xen is nowhere")
    }

    /// Makes a hypercall with the buffer as its second argument.
    fn call(&self, op: u64, command: u64) -> Result<()> {
        let buffer = self.buffer.as_ptr() as u64;
        let mut call = Hypercall {
            op,
            arg: [command, buffer, 0, 0, 0],
        };
        // SAFETY: `call` is the structure that this request takes. Both operations that are asked for write to the
        // buffer alone, which is locked: into the structure at its beginning, and as many entries as there is room for.
        unsafe { privcmd_hypercall(self.privcmd.as_raw_fd(), &mut call) }?;
        Ok(())
    }

    fn put(&mut self, at: usize, value: u64) {
        self.buffer[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|byte| self.buffer[at + byte])
    }
}
