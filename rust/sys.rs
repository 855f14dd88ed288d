//! The thin layer over the kernel and over Xen, one file for each C thing. What comes out of it is
//! typed: machine addresses, owned pages, digests. Outside of this folder there is `unsafe` only where
//! the kernel enters the module's functions, and where a page changes its owner.

pub(crate) mod acpi;
pub(crate) mod bindings;
pub(crate) mod buffer;
pub(crate) mod cpu;
pub(crate) mod crash_notes;
pub(crate) mod crashk_res;
pub(crate) mod debugfs;
pub(crate) mod efi;
pub(crate) mod errno;
pub(crate) mod firmware_map;
pub(crate) mod hypercall;
pub(crate) mod iomem;
pub(crate) mod kexec_lock;
pub(crate) mod kimage;
pub(crate) mod livepatch;
pub(crate) mod lockdown;
pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod p2m;
pub(crate) mod pages;
pub(crate) mod parameters;
pub(crate) mod plain;
pub(crate) mod privcmd;
pub(crate) mod relocate;
pub(crate) mod sha256;
pub(crate) mod system_call;
pub(crate) mod task;
pub(crate) mod wait;
pub(crate) mod xen_version;
