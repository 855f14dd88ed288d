//! The C layouts, as bindgen translates them from the headers (see `build.rs`).

#![allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::ptr_as_ptr
)]

use object::pod::Pod;

pub mod xen {
    include!(concat!(env!("OUT_DIR"), "/xen.rs"));
}

pub mod linux {
    include!(concat!(env!("OUT_DIR"), "/linux.rs"));
}

// SAFETY: They are packed, and have nothing but integers, of which any bytes are a value.
unsafe impl Pod for linux::boot_params {}
// SAFETY: As above.
unsafe impl Pod for linux::setup_header {}
// SAFETY: As above.
unsafe impl Pod for linux::boot_e820_entry {}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use rkexec::abi::xen_kexec as abi;

    use super::xen;

    /// Checks that a structure of the module's is the one in Xen's header: its size, and where its fields
    /// are.
    macro_rules! assert_same {
        ($ours:ty, $theirs:ty, $($field:ident = $name:ident),+) => {
            assert_eq!(size_of::<$ours>(), size_of::<$theirs>());
            $(assert_eq!(offset_of!($ours, $field), offset_of!($theirs, $name));)+
        };
    }

    /// V1 is in no header of a new Xen; what the module needs of it is asserted where it is defined.
    #[test]
    fn the_modules_layouts_are_those_of_xens_header() {
        assert_same!(abi::Exec, xen::xen_kexec_exec, kind = type_);
        assert_same!(
            abi::Range,
            xen::xen_kexec_range,
            range = range,
            nr = nr,
            size = size,
            start = start
        );
        assert_same!(
            abi::Segment,
            xen::xen_kexec_segment,
            buf = buf,
            buf_size = buf_size,
            dest_maddr = dest_maddr,
            dest_size = dest_size
        );
        assert_same!(
            abi::Load,
            xen::xen_kexec_load,
            kind = type_,
            arch = arch,
            nr_segments = nr_segments,
            segments = segments,
            entry_maddr = entry_maddr
        );
        assert_same!(abi::Unload, xen::xen_kexec_unload, kind = type_);
        assert_same!(abi::Status, xen::xen_kexec_status, kind = type_);
    }

    #[test]
    fn the_modules_numbers_are_those_of_xens_header() {
        for (ours, theirs) in [
            (u32::from(abi::TYPE_DEFAULT), xen::KEXEC_TYPE_DEFAULT),
            (u32::from(abi::TYPE_CRASH), xen::KEXEC_TYPE_CRASH),
            (abi::CMD_EXEC, xen::KEXEC_CMD_kexec),
            (abi::CMD_GET_RANGE, xen::KEXEC_CMD_kexec_get_range),
            (abi::CMD_LOAD, xen::KEXEC_CMD_kexec_load),
            (abi::CMD_UNLOAD, xen::KEXEC_CMD_kexec_unload),
            (abi::CMD_STATUS, xen::KEXEC_CMD_kexec_status),
            (abi::RANGE_CRASH as u32, xen::KEXEC_RANGE_MA_CRASH),
            (abi::RANGE_CPU as u32, xen::KEXEC_RANGE_MA_CPU),
            (abi::RANGE_VMCOREINFO as u32, xen::KEXEC_RANGE_MA_VMCOREINFO),
        ] {
            assert_eq!(ours, theirs);
        }
    }
}
