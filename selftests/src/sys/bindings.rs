//! The C layouts, as bindgen translates them from the headers (see `build.rs`).

/// Xen's public interface.
#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::ptr_as_ptr
)]
pub mod xen {
    include!(concat!(env!("OUT_DIR"), "/xen.rs"));
}

/// Linux's interface to user space.
#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::ptr_as_ptr
)]
pub mod linux {
    include!(concat!(env!("OUT_DIR"), "/linux.rs"));
}
