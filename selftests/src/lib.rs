//! What the test programs share: the system calls, the report, and what a kernel is handed.
//!
//! A test machine boots twice. The first kernel (*stage 1*, usually a Xen dom0) runs
//! [`scenario`]s, which load the second kernel; that one (*stage 2*) compares what it was handed
//! with what stage 1 wrote down for it ([`expect::Expected`]), or reads the dump of stage 1
//! ([`vmcore`], [`dump`]). It may go on with a scenario of its own: stage 3, and so on.

// Programs, whose functions have no other users.
#![allow(missing_docs)]

pub mod acpi;
pub mod balloon;
pub mod console;
pub mod core_header;
pub mod door;
pub mod dump;
pub mod expect;
pub mod faults;
pub mod files;
pub mod free_memory;
pub mod held;
pub mod image;
pub mod initrd;
pub mod kernel_log;
pub mod kselftest;
pub mod lockdown;
pub mod marker;
pub mod memory;
pub mod memory_blocks;
pub mod module;
pub mod ownership;
pub mod past_kernel;
pub mod places;
pub mod pressure;
pub mod program;
pub mod report;
pub mod scenario;
pub mod stage2;
pub mod sys;
pub mod trigger;
pub mod vmcore;
pub mod watchers;
pub mod without_xen;
pub mod xen;
