//! The hand-over's logic on the host, over a small machine memory made of an array.
#![allow(missing_docs)]

mod arena;
mod backup;
mod digest;
mod exception;
mod image;
mod list;
mod params;
mod report;
