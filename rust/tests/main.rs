//! Tests of what rkexec knows about memory, on the host: one program, a folder for each subject.

mod acpi;
mod boot_params;
mod common;
mod crash;
mod elfcore;
mod identity;
mod image;
mod mem_hole;
mod xen;
