//! The freestanding hand-over as it is shipped: what its gates let through ([`gates`]), how
//! it hashes ([`host`]), and what it does in a virtual machine between a make-believe Xen and a make-believe next kernel
//! ([`machine`]; ignored unless asked for, as it needs QEMU).
#![allow(missing_docs)]

#[allow(dead_code, reason = "the tests of the logic use the rest")]
#[path = "../logic/arena.rs"]
mod arena;
mod artifacts;
#[path = "../../benches/sha256/blob.rs"]
mod blob;
#[path = "../../benches/sha256/code.rs"]
mod code;
mod gates;
mod host;
mod machine;
mod next_kernel;
#[path = "../../bench-loader/places.rs"]
mod places;
mod qemu;
mod scenario;
mod stage;
