//! Where in the machine's memory things are that both the bench and the tests have to know.

/// The memory that the tests prepare: from here ...
pub const BASE: u64 = 0x0100_0000;
/// ... to here.
pub const END: u64 = 0x01e0_0000;
/// The hand-over: at a page that is aligned to nothing more.
pub const CHUNK: u64 = 0x0180_3000;
/// Xen's page tables, which map little.
pub const XEN_TABLES: u64 = 0x0184_0000;
/// What low memory is to hold before the hand-over, and a copy of what it holds afterwards. To the
/// language there is nothing at address 0.
pub const LOW_COPY: u64 = 0x01b0_0000;
/// A destination that is watched by a debug register when the hand-over begins.
pub const WATCHED: u64 = 0x0140_0000;
