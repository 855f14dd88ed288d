//! The memory map that the firmware has handed to this kernel, before the kernel or its command line
//! changed anything in it (`e820_table_firmware`, `arch/x86/kernel/e820.c`).

use core::ptr::addr_of;

use super::bindings::kernel as c;
use crate::pure::memmap::MapEntry;

/// The entries. On bare metal only: a dom0 gets a map of its own.
pub(crate) fn entries() -> impl Iterator<Item = MapEntry> {
    // SAFETY: The table is written at boot, stays, and holds as many entries as it says.
    let entries = unsafe {
        let table = c::e820_table_firmware;
        let nr = addr_of!((*table).nr_entries).read_unaligned() as usize;
        let first = addr_of!((*table).entries).cast::<c::e820_entry>();
        core::slice::from_raw_parts(first, nr)
    };
    entries.iter().map(|entry| {
        // The structure is packed.
        let (start, len_bytes, kind_raw) = (entry.addr, entry.size, entry.type_);
        MapEntry {
            start,
            len_bytes,
            kind_raw,
        }
    })
}
