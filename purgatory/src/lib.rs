//! The hand-over: what runs between the old kernel and the next one, with nothing of either.
//!
//! This library is its logic, as far as that needs neither assembly nor `unsafe`, so all of it runs
//! on the host under `cargo test`. The freestanding program around it is `blob/`; what the module
//! tells it is `rkexec::abi::handover`.
//!
//! In the order of use: [`params`] turns what the module wrote into checked values, [`list`] walks
//! the copy list, [`backup`] saves low memory, [`image`] puts the image in place and verifies it there.
//! [`fault`] is everything that can go wrong on the way, [`report`] says it in words, [`exception`] decodes
//! what the processor raised, [`times`] tells how long it took. [`memory`] is machine memory as these see
//! it, [`digest`] SHA-256.
//!
//! Nothing here can panic: in the blob a surviving panic path fails the link.
#![no_std]
#![forbid(unsafe_code)]

pub mod backup;
pub mod digest;
pub mod exception;
pub mod fault;
pub mod image;
pub mod list;
pub mod memory;
pub mod params;
pub mod report;
pub mod times;
