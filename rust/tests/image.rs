//! Tests of what becomes of an image: `requested_segment`, `placement` and `copylist`, one by one and together.

mod copylist;
mod handover;
mod model;
mod placement;
mod requested_segment;
