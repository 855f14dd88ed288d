//! The EFI tables that a kernel reads before it can handle a page fault (`sev_enable()` in
//! `arch/x86/boot/compressed/`, on AMD processors with memory encryption): a map without them has
//! killed machines.

use core::mem::offset_of;

use kernel::prelude::*;

use super::bindings::kernel as c;
use crate::pure::addr::Addr;
use crate::pure::range::{PaRange, Range};

/// The EFI system table, and the array of configuration tables that it leads to.
pub(crate) struct Tables {
    /// The system table.
    pub(crate) system: PaRange,
    /// The array.
    pub(crate) config: PaRange,
}

/// Where they are; `None` on a machine that was not booted by EFI.
pub(crate) fn tables() -> Result<Option<Tables>> {
    // SAFETY: These functions only read what the boot code found out.
    let (efi, is_64bit, at) = unsafe {
        (
            c::rkexec_efi_boot(),
            c::rkexec_efi_64bit(),
            c::rkexec_efi_system_table(),
        )
    };
    if !efi || at == 0 {
        return Ok(None);
    }
    let (nr_tables_at, table_bytes, entry_bytes) = if is_64bit {
        (
            offset_of!(c::efi_system_table_64_t, nr_tables),
            size_of::<c::efi_system_table_64_t>(),
            size_of::<c::efi_config_table_64_t>(),
        )
    } else {
        (
            offset_of!(c::efi_system_table_32_t, nr_tables),
            size_of::<c::efi_system_table_32_t>(),
            size_of::<c::efi_config_table_32_t>(),
        )
    };
    let nr_tables = read_u32(at.checked_add(nr_tables_at as u64).ok_or(ERANGE)?)?;
    let range = |at, bytes| Range::from_len(Addr::new(at)?, bytes);
    // SAFETY: A number that is written at boot.
    let config_at = unsafe { c::efi_config_table } as u64;
    let config_bytes = u64::from(nr_tables)
        .checked_mul(entry_bytes as u64)
        .ok_or(ERANGE)?;
    Ok(Some(Tables {
        system: range(at, table_bytes as u64).ok_or(ERANGE)?,
        config: range(config_at, config_bytes).ok_or(ERANGE)?,
    }))
}

/// The number at this physical address.
fn read_u32(at: u64) -> Result<u32> {
    // SAFETY: The firmware has its table there; the mapping is checked and taken back.
    unsafe {
        let mapped = c::memremap(at, size_of::<u32>(), c::MEMREMAP_WB as c_ulong);
        if mapped.is_null() {
            return Err(ENOMEM);
        }
        let number = mapped.cast::<u32>().read_unaligned();
        c::memunmap(mapped);
        Ok(number)
    }
}
