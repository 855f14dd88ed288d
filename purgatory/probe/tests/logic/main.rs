//! Host tests of the probe.

mod hostile;
mod model;
mod output;
mod pages;
mod real;
