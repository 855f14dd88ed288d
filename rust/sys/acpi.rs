//! The tables of ACPI, whatever the memory map calls the memory that they are in.
//!
//! In a dom0 too their addresses are the machine's, and the functions by which the kernel reads them
//! know where it has that memory.

use kernel::prelude::*;
use kernel::sync::SetOnce;

use super::bindings::kernel as c;
use crate::pure::acpi::{self, Found, Memory, RootTable, TablePages};
use crate::pure::addr::{Addr, Maddr, PAGE_SIZE};
use crate::pure::range::MaRange;

static TABLES: SetOnce<TablePages> = SetOnce::new();

/// Looks for them. They stay where they are as long as the machine runs. Called once, by the module's
/// init.
pub(crate) fn find() {
    // SAFETY: The function only reads what the boot code found out.
    if !unsafe { c::rkexec_acpi_is_used() } {
        return;
    }
    let mut pages = TablePages::new();
    let mut no_room: usize = 0;
    let found = root_pointer().map_or(Found::default(), |root| {
        acpi::walk(&Firmware, root, root_table(), &mut |table| {
            no_room = no_room.saturating_add(usize::from(!pages.add(table)));
        })
    });
    let missing = found.left_out.saturating_add(no_room);
    if found.tables == 0 {
        pr_notice!("no tables of ACPI were found: images will find them mapped only where the memory map calls them ACPI's\n");
    } else if missing > 0 {
        pr_notice!("{missing} tables of ACPI make no sense, or lie scattered: images will not find them mapped\n");
    }
    TABLES.populate(pages);
}

/// Their pages.
pub(crate) fn tables() -> &'static [MaRange] {
    TABLES.as_ref().map_or(&[], TablePages::as_slice)
}

/// The address of the root pointer: what the boot loader or UEFI has told, or else what a BIOS has. With
/// UEFI the kernel does not search for it either (`acpi_os_get_root_pointer()`).
fn root_pointer() -> Option<Maddr> {
    // SAFETY: These functions only read what the boot code found out.
    let (told, efi) = unsafe { (c::rkexec_acpi_root_pointer(), c::rkexec_efi_boot()) };
    let told = Addr::new(told).filter(|root| *root != Addr::ZERO);
    if told.is_some() || efi {
        return told;
    }
    let mut page = KVec::from_elem(0, PAGE_SIZE as usize, GFP_KERNEL).ok()?;
    acpi::scan(&Firmware, page.first_chunk_mut()?)
}

/// The root table that the kernel goes through.
fn root_table() -> RootTable {
    // SAFETY: The function only reads what the boot code found out.
    match unsafe { c::rkexec_acpi_shuns_xsdt() } {
        true => RootTable::Rsdt,
        false => RootTable::Newest,
    }
}

/// Memory as the firmware left it.
struct Firmware;

impl Memory for Firmware {
    fn read(&self, at: Maddr, to: &mut [u8]) -> bool {
        let mut at = Some(at);
        let mut to = to;
        // The kernel maps what it takes for RAM page by page.
        while let (Some(from), false) = (at, to.is_empty()) {
            let in_page = PAGE_SIZE.saturating_sub(from.raw() % PAGE_SIZE) as usize;
            let (piece, rest) = to.split_at_mut(in_page.min(to.len()));
            let (at_piece, bytes) = (piece.as_mut_ptr().cast(), piece.len());
            // SAFETY: There is room for so many bytes, and ACPI is in use. The address is one that
            // the kernel has read from at boot, or would have if nobody had told it where to begin; if
            // there is nothing after all, as where Xen does not let dom0 have a page, that is found out.
            if !unsafe { c::rkexec_acpi_read(from.raw(), at_piece, bytes) } {
                return false;
            }
            at = from.checked_add(bytes as u64);
            to = rest;
        }
        to.is_empty()
    }
}
