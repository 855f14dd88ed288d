//! What `kexec_file_load` has prepared for a crash in dom0, made true of the machine.
//!
//! The kernel has written an ELF core header and a memory map of what dom0 sees. Both are replaced:
//! the dump is one of the machine, and the crash kernel runs on it.

use kernel::prelude::*;

use super::free_ranges::FreeRanges;
use super::handover::CrashHandover;
use crate::backend::dom0::boot_params;
use crate::backend::dom0::e820_ext::E820Ext;
use crate::backend::dom0::memory::Machine;
use crate::backend::error::LoadError;
use crate::backend::requested_segments::file_entry;
use crate::pure::crash_area;
use crate::pure::elfcore::{ElfCore, Loads};
use crate::pure::memmap::MapEntry;
use crate::pure::range::MaRange;
use crate::sys::buffer::Buffer;
use crate::sys::crash_notes;
use crate::sys::kimage::{FileEntry, Kimage};
use crate::sys::pages::direct_map;

/// What a file image gets instead of what the kernel has prepared, and where to enter it.
pub(super) struct FileImage {
    /// The number of the segment that the ELF core header is in.
    pub(super) header_index: usize,
    /// The header.
    pub(super) header: Buffer,
    /// A segment more, if the machine's memory map is long. The crash area keeps its place.
    pub(super) e820_ext: Option<E820Ext<()>>,
    /// Where to enter the next kernel.
    pub(super) entry: FileEntry,
}

impl FileImage {
    /// Writes all of it.
    pub(super) fn prepare(
        kimage: &mut Kimage<'_>,
        machine: &Machine,
        handover: &CrashHandover,
        free: &mut FreeRanges,
    ) -> Result<Self, LoadError> {
        warn_of_xen_console(kimage);
        let entry = file_entry(kimage)?;
        let header_index = (kimage.elf_core_header())
            .ok_or(LoadError::Kernel("looking for the ELF core header", EIO))?;
        let header_range = free.of_segment(header_index)?;
        let backup = (handover.backup()?).ok_or(LoadError::Kernel(
            "looking for the room for low memory",
            EIO,
        ))?;
        let header = write_header(machine, free.area(), backup)?;

        let map = memory_map(machine, free.area(), [header_range, backup])?;
        let mut e820_ext =
            E820Ext::new(map.len(), |nr_bytes| Ok(((), free.find(nr_bytes as u64)?)))?;
        boot_params::fix_up(kimage, entry.rsi, &map, e820_ext.as_mut())?;
        Ok(Self {
            header_index,
            header,
            e820_ext,
            entry,
        })
    }
}

/// The ELF core header of the machine.
fn write_header(machine: &Machine, area: MaRange, backup: MaRange) -> Result<Buffer, LoadError> {
    let notes = crash_notes::find()
        .map_err(|e| LoadError::of_question("the places of its ELF notes", e))?;
    let header = ElfCore {
        direct_map: direct_map(),
        notes: &notes,
        loads: Loads::new(machine.map(), area, Some(backup.start()))?,
    };
    let mut bytes =
        Buffer::alloc(header.len_bytes()?).ok_or(LoadError::NoMemory("the ELF core header"))?;
    header.write(bytes.bytes_mut())?;
    Ok(bytes)
}

/// The memory map for the crash kernel: `kept` is not for it to use.
fn memory_map(
    machine: &Machine,
    area: MaRange,
    kept: [MaRange; 2],
) -> Result<KVec<MapEntry>, LoadError> {
    let mut map = KVec::new();
    for entry in crash_area::memory_map(machine.map(), area, kept) {
        map.push(entry, GFP_KERNEL)
            .map_err(|_| LoadError::NoMemory("the machine's memory map"))?;
    }
    Ok(map)
}

/// Many take dom0's command line for the crash kernel as well, which would then say nothing.
fn warn_of_xen_console(kimage: &Kimage<'_>) {
    let line = kimage.command_line();
    if line
        .split(|byte| *byte == b' ')
        .any(|word| word.starts_with(b"console=hvc"))
    {
        pr_warn!("the crash kernel's command line has console=hvc0, Xen's console: there is no Xen then, and it will say nothing there\n");
    }
}
