//! Tests of what becomes of an image: `claim`, `placement` and `copylist`, one by one and together.

mod claim;
mod copylist;
mod handover;
mod model;
mod placement;
