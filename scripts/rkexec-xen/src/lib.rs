//! What `rkexec-xen` does, as a library: the program is `main.rs`, and `fuzz/` feeds what reads files that others
//! have written.
//!
//! `start.rs` is what to start: what GRUB would (`grub.rs`), or what is given by hand. `machine.rs` is what has to be known
//! of the machine, `hypervisor.rs` and `dom0_kernel.rs` look at the files, `image.rs` puts everything in its place,
//! and `kexec.rs` has the kernel load it.

#![allow(missing_docs)] // Nobody else's.

pub mod dom0_kernel;
pub mod grub;
pub mod guests;
mod hypercall;
pub mod hypervisor;
pub mod image;
pub mod kexec;
pub mod low_memory;
pub mod machine;
pub mod memory;
pub mod multiboot;
pub mod screen;
pub mod start;
