//! What the VM runner (`scripts/vm`) and the programs inside the test machines (`selftests`) say to each
//! other: each word is written here once, and read here.
//!
//! The runner tells a kernel on its command line what it is for ([`told::Told`]), above all which
//! [`scenario::Scenario`]. The machine reports on its serial port, a [`record::Record`] a line; of the
//! remarks among them the runner understands the [`fact::Fact`]s.

// For programs of this project only, where a name says what a sentence would say again.
#![allow(missing_docs)]

pub mod choice;
pub mod fact;
pub mod hex;
pub mod record;
pub mod scenario;
mod text;
pub mod told;

pub use fact::Fact;
pub use record::{Record, Verdict, MARK};
pub use scenario::Scenario;
pub use told::{Marker, Told};
