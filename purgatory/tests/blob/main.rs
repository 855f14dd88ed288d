//! The freestanding hand-over as it is shipped: what its gates let through ([`gates`]), and what
//! it does in a virtual machine between a make-believe Xen and a make-believe next kernel
//! ([`machine`]; ignored unless asked for, as it needs QEMU).
#![allow(missing_docs)]

mod artifacts;
mod gates;
mod machine;
mod next_kernel;
mod qemu;
#[path = "../../bench-loader/scenario.rs"]
mod scenario;
