//! The logic of rkexec that needs neither a kernel nor `unsafe`: address types, ranges, memory
//! maps and page tables. It runs on the host under `cargo test` and in the module unchanged.
#![forbid(unsafe_code)]

pub mod acpi;
pub mod addr;
pub mod boot_params;
pub mod copylist;
pub mod crash_area;
pub mod elfcore;
pub mod errno;
pub mod identity;
pub mod indirection;
pub mod mem_hole;
pub mod memmap;
pub mod placement;
pub mod range;
pub mod requested_segment;
pub mod segment;
pub mod xen_abi;
