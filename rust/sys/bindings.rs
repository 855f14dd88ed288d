//! Raw declarations, made by bindgen during the build (`Kbuild` says how): of kernel headers that
//! the `kernel` crate has no bindings for, and of Xen's public ones.

/// From `kernel.h`. Types that the `kernel` crate has come from there.
pub(crate) mod kernel {
    #![allow(
        clippy::all,
        clippy::cast_lossless,
        clippy::ptr_as_ptr,
        clippy::ref_as_ptr,
        clippy::undocumented_unsafe_blocks,
        dead_code,
        improper_ctypes,
        missing_docs,
        non_camel_case_types,
        non_snake_case,
        non_upper_case_globals,
        unreachable_pub,
        unsafe_op_in_unsafe_fn,
        reason = "generated code"
    )]
    use ::kernel::bindings::*;
    include!(concat!(env!("RKEXEC_OBJ"), "/rust/kernel.rs"));
}

/// From `xen.h`.
pub(crate) mod xen {
    #![allow(
        clippy::all,
        clippy::cast_lossless,
        clippy::ptr_as_ptr,
        clippy::ref_as_ptr,
        clippy::undocumented_unsafe_blocks,
        dead_code,
        improper_ctypes,
        missing_docs,
        non_camel_case_types,
        non_snake_case,
        non_upper_case_globals,
        unreachable_pub,
        unsafe_op_in_unsafe_fn,
        reason = "generated code"
    )]
    include!(concat!(env!("RKEXEC_OBJ"), "/rust/xen.rs"));
}
