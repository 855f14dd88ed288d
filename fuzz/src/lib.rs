//! Everything here that reads what somebody else has written, as targets for a fuzzer.
//!
//! A target is a function that is given bytes. It makes an input of them, by [`Input`] where bytes alone would hardly
//! ever be one, has the code read it, and panics if what comes out is not what should: an oracle, or the way back, says
//! what that is. `fuzz.rs` is the fuzzer, `inputs.rs` the files that it begins with; `scripts/fuzz` runs both. Without a
//! fuzzer `tests/inputs.rs` has every target read its seeds and its corpus.
//!
//! The oracles of the host tests are used where there are some: the files are the same.

mod input;
mod memory;
pub mod targets;

pub use input::{Bytes, Input};

#[path = "../../rust/tests/common.rs"]
#[allow(dead_code, missing_docs)] // The tests use all of it.
mod common;
#[allow(dead_code, missing_docs)] // Likewise.
mod oracle;
