//! What `rkexec-status` does, as a library: the program is `main.rs`, and `fuzz/` feeds what reads the kernel's log.
//!
//! `facts.rs` is all that is known, each part of it in a file of its own that says where it is read; what the log
//! says is in `log.rs`. `trouble.rs` decides what is wrong, `remedy.rs` has what to do about it from the README,
//! and `show.rs` and `boot.rs` tell it.

#![allow(missing_docs)] // Nobody else's.

pub mod boot;
mod clients;
pub mod facts;
mod host;
mod images;
pub mod log;
mod module;
mod remedy;
pub mod root;
mod show;
mod trouble;
