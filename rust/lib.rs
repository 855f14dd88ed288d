//! The pure core of rkexec as an ordinary library, for the host: its tests, its benchmarks and the
//! `identity-map` command. The module compiles the same files (see `main.rs`).
#![no_std]
#![forbid(unsafe_code)]

pub mod abi;
mod pure;

pub use pure::*;
