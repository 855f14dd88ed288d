//! The kernel's numbers for errors: those of the pure core, and those that the `kernel` crate has names
//! for only since Linux 7.3. These are functions, because `Error::from_errno` is no constant one.

use kernel::bindings;
use kernel::prelude::*;

use crate::pure::errno::Errno;

/// `EOPNOTSUPP`: this kernel, machine or Xen does not have it.
pub(crate) fn not_supported() -> Error {
    error(bindings::EOPNOTSUPP)
}

/// `EADDRNOTAVAIL`: an address that cannot be had on this machine.
pub(crate) fn address_not_available() -> Error {
    error(bindings::EADDRNOTAVAIL)
}

fn error(errno: u32) -> Error {
    Error::from_errno(-(errno as c_int))
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::Invalid => EINVAL,
            Errno::AddressNotAvailable => address_not_available(),
            Errno::NotExecutable => ENOEXEC,
            Errno::TooBig => E2BIG,
        }
    }
}
