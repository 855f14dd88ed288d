//! The logic of rkexec that needs neither a kernel nor `unsafe`: address types, ranges, memory
//! maps and page tables. It runs on the host under `cargo test` and in the module unchanged.
#![forbid(unsafe_code)]

pub mod acpi;
pub mod addr;
pub mod boot_params;
pub mod claim;
pub mod copylist;
pub mod crash_area;
pub mod elfcore;
pub mod errno;
pub mod hole;
pub mod identity;
pub mod indirection;
pub mod memmap;
pub mod placement;
pub mod range;
pub mod segment;
pub mod xen_abi;
