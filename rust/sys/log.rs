//! Printing what has only `core`'s formatting traits. The kernel's macros want the kernel's, which
//! the pure core, also a library of the host, cannot know.

use core::fmt;

/// `T` as `core` prints it.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: fmt::Display> kernel::fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
