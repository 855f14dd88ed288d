//! The ELF core header: what a reader of ELF files finds in it, and that it misses no memory.

mod header;
mod hostile;
mod loads;
mod memory;
