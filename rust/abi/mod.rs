//! Layouts that other programs read: the hand-over's parameters (shared with `purgatory/`).

pub mod handover;
