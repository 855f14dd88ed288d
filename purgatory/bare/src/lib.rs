//! What a program without an operating system needs, for all three that are here: the hand-over, the
//! bench around it, and the probe.
//!
//! [`cpu`] is ports and registers of the processor, and how to end it all, [`serial`] a 16550,
//! [`text`] what can be said to one. Nothing here can panic, or needs an address fixed up.
#![no_std]

pub mod cpu;
#[cfg(feature = "runtime")]
mod runtime;
pub mod serial;
pub mod text;
