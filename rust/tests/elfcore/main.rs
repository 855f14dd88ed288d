//! The ELF core header: what a reader of ELF files finds in it, and that it misses no memory.

mod header;
mod hostile;
mod loads;
#[path = "../identity/maps.rs"]
#[allow(dead_code, reason = "the tests of the identity map use the rest")]
mod maps;
mod memory;
