//! The tables of ACPI, whatever the memory map calls the memory that they are in.
//!
//! In a dom0 too their addresses are the machine's, and the functions by which the kernel reads them
//! know where it has that memory.

use kernel::prelude::*;
use kernel::sync::SetOnce;

use super::bindings::kernel as c;
use crate::pure::acpi::{self, Memory, TablePages};
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
    let Some(root) = told_root().or_else(|| acpi::scan(&Firmware)) else {
        return;
    };
    let mut pages = TablePages::new();
    let mut no_room: usize = 0;
    let found = acpi::walk(&Firmware, root, &mut |table| {
        no_room = no_room.saturating_add(usize::from(!pages.add(table)));
    });
    let missing = found.left_out.saturating_add(no_room);
    if missing > 0 {
        pr_notice!("{missing} tables of ACPI make no sense, or lie scattered: images will not find them mapped\n");
    }
    TABLES.populate(pages);
}

/// Their pages.
pub(crate) fn tables() -> &'static [MaRange] {
    TABLES.as_ref().map_or(&[], TablePages::as_slice)
}

/// The address of the root pointer, if the boot loader or UEFI has told it.
fn told_root() -> Option<Maddr> {
    // SAFETY: The function only reads what the boot code found out.
    let root = unsafe { c::rkexec_acpi_root_pointer() };
    Addr::new(root).filter(|root| *root != Addr::ZERO)
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
            // SAFETY: There is room for so many bytes, and ACPI is in use. It is memory: the address
            // is one that the kernel has read from at boot, or in the BIOS area, or that of an RSDT
            // by a root pointer that is whole.
            let read =
                unsafe { c::rkexec_acpi_read(from.raw(), piece.as_mut_ptr().cast(), piece.len()) };
            if !read {
                return false;
            }
            at = from.checked_add(piece.len() as u64);
            to = rest;
        }
        to.is_empty()
    }
}
