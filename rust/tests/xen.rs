//! Tests of what rkexec and Xen say to each other: the choice of an interface, and V1's list.

mod abi;
mod indirection;
