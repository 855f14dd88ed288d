//! Error numbers, by name.
//!
//! Every error type of this crate says which error number the caller of the system call gets for
//! it; the numbers themselves belong to the kernel, and `sys/errno.rs` maps one to the other.

/// Why a system call fails, as far as its caller is told. The log has the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// `EINVAL`: the request contradicts itself or the rules.
    Invalid,
    /// `EADDRNOTAVAIL`: an address that cannot be had on this machine.
    AddressNotAvailable,
    /// `ENOEXEC`: not a kernel that can be started.
    NotExecutable,
    /// `E2BIG`: more than the format can carry.
    TooBig,
}
