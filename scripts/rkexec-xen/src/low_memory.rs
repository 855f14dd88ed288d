//! The first MiB of a machine with UEFI, made fit for a hypervisor that takes it for one with a BIOS.
//!
//! When Xen is not started by UEFI itself, it looks for what a BIOS leaves (`trampoline_bios_setup`,
//! `xen/arch/x86/boot/head.S`; `acpi_find_root_pointer()`, `xen/drivers/acpi/tables/tbxfroot.c`): in the BIOS data area
//! the end of low memory, under which it puts the code that processors begin with; and in the extended BIOS data area,
//! or in the ROM, ACPI's root pointer. UEFI leaves nothing there. So a page of low memory becomes the extended area, the
//! code that enters Xen copies the root pointer into it, and writes the two words that lead to it.

use rkexec::addr::PAGE_SIZE;
use rkexec::mem_hole::End;
use rkexec::range::MaRange;
use rkexec_multiboot::BiosData;

use crate::memory::{Memory, Wanted};

/// Xen takes no extended area below this for one.
const LOWEST: u64 = 0x4_0000;
/// Where the memory of video adapters begins.
const END: u64 = 0xa_0000;
/// What Xen takes of memory under the area (`TRAMPOLINE_SIZE`).
const TRAMPOLINE_BYTES: u64 = 0x1_0000;

/// The page, and what to write where. `None` if there is no such place.
pub fn bios_data(memory: &Memory, root_pointer: u64) -> Option<(MaRange, BiosData)> {
    // The area is the last page of the place.
    let place = memory.place(
        Wanted {
            bytes: TRAMPOLINE_BYTES + PAGE_SIZE,
            align: PAGE_SIZE,
            from: LOWEST - TRAMPOLINE_BYTES,
            to: END,
            end: End::Top,
        },
        &[],
    )?;
    let end = place.end();
    let start = rkexec::addr::Maddr::new(end.raw().checked_sub(PAGE_SIZE)?)?;
    let data = BiosData {
        base_memory_kib: u16::try_from(start.raw() / 1024).ok()?,
        ebda_segment: u16::try_from(start.raw() / 16).ok()?,
        root_pointer,
    };
    Some((MaRange::new(start, end)?, data))
}

#[cfg(test)]
mod tests {
    use rkexec::memmap::MapEntry;

    use super::*;

    fn data(entries: &[(u64, u64, u32)]) -> Option<BiosData> {
        let entries = entries.iter().map(|&(start, end, kind_raw)| MapEntry {
            start,
            len_bytes: end - start,
            kind_raw,
        });
        let (range, data) = bios_data(&Memory::new(entries.collect()), 0x7f77_e014)?;
        assert_eq!(range.start().raw(), u64::from(data.ebda_segment) << 4);
        assert_eq!(range.len_bytes(), PAGE_SIZE);
        Some(data)
    }

    #[test]
    fn the_area_is_the_highest_page_with_room_below_it() {
        let data = data(&[(0, 0xa_0000, 1), (0x10_0000, 0x100_0000, 1)]).unwrap();
        assert_eq!(data.ebda_segment, 0x9f00);
        assert_eq!(data.base_memory_kib, 636);
        assert_eq!(data.root_pointer, 0x7f77_e014);
    }

    #[test]
    fn what_is_reserved_is_left_alone() {
        let data = data(&[
            (0, 0xa_0000, 1),
            (0x9_8000, 0x9_9000, 2),
            (0x8_7000, 0x8_7001, 2),
        ]);
        assert_eq!(
            data.unwrap().ebda_segment,
            0x8600,
            "above it there are but 64 KiB, or less"
        );
    }

    #[test]
    fn without_room_above_192_kib_there_is_none() {
        assert_eq!(data(&[(0, 0x4_0000, 1)]), None);
        assert_eq!(data(&[(0, 0x4_1000, 1)]).unwrap().ebda_segment, 0x4000);
        assert_eq!(data(&[(0x10_0000, 0x4000_0000, 1)]), None);
    }
}
