//! The layout of boot parameters, compared with the C headers of the kernel as bindgen reads them.

use std::mem::{offset_of, size_of};

use linux_raw_sys::bootparam::{
    self as c, boot_e820_entry, boot_params, efi_info, setup_data, x86_hardware_subarch as subarch,
};
use rkexec::boot_params::{
    offset, E820_ENTRY_BYTES, E820_TABLE_ENTRIES, EFI_INFO_BYTES, SETUP_DATA_BYTES, SETUP_E820_EXT,
    SIZE,
};

/// The size of the field that is read.
const fn bytes<T>(_: fn(boot_params) -> T) -> usize {
    size_of::<T>()
}

/// Where each field of `struct boot_params` has to be, and how many bytes it has.
macro_rules! assert_fields {
    ($($($field:ident).+ at $at:ident: $bytes:expr;)+) => {$(
        let found = (offset_of!(boot_params, $($field).+), bytes(|it| it.$($field).+));
        assert_eq!(found, (offset::$at, $bytes), stringify!($($field).+));
    )+};
}

#[test]
fn the_layout_is_that_of_the_c_headers() {
    assert_fields! {
        screen_info.ext_mem_k at EXT_MEM_K: 2;
        acpi_rsdp_addr at ACPI_RSDP_ADDR: 8;
        ext_cmd_line_ptr at EXT_CMD_LINE_PTR: 4;
        efi_info at EFI_INFO: EFI_INFO_BYTES;
        alt_mem_k at ALT_MEM_K: 4;
        e820_entries at E820_ENTRIES: 1;
        hdr.boot_flag at BOOT_FLAG: 2;
        hdr.header at HEADER: 4;
        hdr.version at VERSION: 2;
        hdr.cmd_line_ptr at CMD_LINE_PTR: 4;
        hdr.kernel_alignment at KERNEL_ALIGNMENT: 4;
        hdr.cmdline_size at CMDLINE_SIZE: 4;
        hdr.hardware_subarch at HARDWARE_SUBARCH: 4;
        hdr.hardware_subarch_data at HARDWARE_SUBARCH_DATA: 8;
        hdr.setup_data at SETUP_DATA: 8;
        e820_table at E820_TABLE: E820_TABLE_ENTRIES * E820_ENTRY_BYTES;
    }
    assert_eq!(size_of::<boot_params>(), SIZE);
    assert_eq!(size_of::<efi_info>(), EFI_INFO_BYTES);
    assert_eq!(size_of::<boot_e820_entry>(), E820_ENTRY_BYTES);
    assert_eq!(offset_of!(boot_e820_entry, size), 8);
    assert_eq!(offset_of!(boot_e820_entry, type_), 16);
    assert_eq!(size_of::<setup_data>(), SETUP_DATA_BYTES);
    assert_eq!(offset_of!(setup_data, next), 0);
    assert_eq!(offset_of!(setup_data, type_), 8);
    assert_eq!(offset_of!(setup_data, len), 12);
    assert_eq!(c::E820_MAX_ENTRIES_ZEROPAGE as usize, E820_TABLE_ENTRIES);
    assert_eq!(c::SETUP_E820_EXT, SETUP_E820_EXT);
    assert_eq!(subarch::X86_SUBARCH_PC as u32, 0);
}
