//! What the VM runner (`scripts/vm`) and the programs inside the test machines (`selftests`) say to each
//! other: each word is written here once, and read here.
//!
//! The runner tells a kernel on its command line what it is for ([`told::Told`]), above all which
//! [`scenario::Scenario`]. The machine reports on its serial port, a [`record::Record`] a line; of the
//! remarks among them the runner understands the [`fact::Fact`]s.
//!
//! A new parameter of a scenario is a line in [`scenario`]; the compiler then knows it in both programs. A
//! new scenario is a line there, too, and one in the guest's `scenario::run`, which does not compile
//! without it.

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
