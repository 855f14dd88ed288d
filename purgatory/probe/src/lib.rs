//! The probe: a next kernel that tells in which state it was entered and what is mapped, and then
//! resets the machine.
//!
//! This library is its logic, so all of it runs on the host under `cargo test`. The freestanding
//! program around it is `blob/`. It shares no code with what it is there to judge but that which talks
//! to the serial port: the bits of the page tables are spelled out again, from the processor's manual.
//!
//! [`state`] is what the entry code writes down. [`memory`] is physical memory, [`level`] and
//! [`entry`] are the parts of a page table in it, [`walk`] goes through all of one, [`translate`]
//! to one address, and [`run`] joins what belongs together. [`report`] says it all, by way of a
//! [`Sink`](rkexec_bare::text::Sink).
//!
//! [`heard`] is the other side: what tests make of some of these lines.
//!
//! Addresses are numbers of bytes; those in a name with `virt` go through the page tables, those
//! in a [`memory::Phys`] do not.
#![no_std]
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "most names are the manual's")]

pub mod entry;
#[cfg(feature = "heard")]
pub mod heard;
pub mod level;
pub mod memory;
pub mod report;
pub mod run;
pub mod state;
pub mod translate;
pub mod walk;
