//! The freestanding hand-over as it is shipped: what its gates let through ([`gates`]), and what
//! it does in a virtual machine between a make-believe Xen and a make-believe next kernel
//! ([`machine`]; ignored unless asked for, as it needs QEMU).
#![allow(missing_docs)]

#[allow(dead_code, reason = "the tests of the logic use the rest")]
#[path = "../logic/arena.rs"]
mod arena;
mod artifacts;
mod gates;
mod machine;
mod next_kernel;
#[path = "../../bench-loader/places.rs"]
mod places;
mod qemu;
mod scenario;
mod stage;
