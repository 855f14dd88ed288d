//! Everything that needs `unsafe`: system calls, hypercalls, and the C layouts that they take.

pub mod bindings;
pub mod compat;
pub mod kexec;
pub mod late;
pub mod locked;
pub mod mapped;
pub mod privcmd;
pub mod schedule;
pub mod stalled;
