//! Tests of what is decided about the crash area.

mod area;
