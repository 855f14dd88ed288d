//! Layouts that other programs read: the hand-over's parameters (shared with `purgatory/`), and what
//! Xen takes.

pub mod handover;
pub mod xen_kexec;
