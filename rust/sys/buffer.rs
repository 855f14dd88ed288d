//! Memory that is in one piece for this kernel, and nowhere else: what Xen is to take a copy of.

use core::ops::Range;
use core::ptr::NonNull;
use core::slice;

use kernel::transmute::{AsBytes, FromBytes};

use super::bindings::kernel as c;
use super::pages::PAGE_BYTES;

/// Bytes, from the beginning of a page on.
pub(crate) struct Buffer {
    first: NonNull<u8>,
    len: usize,
}

// SAFETY: Memory belongs to no thread.
unsafe impl Send for Buffer {}

impl Buffer {
    /// `len` zeros, or `None` if there is no memory (nobody is killed for it). It may sleep.
    pub(crate) fn alloc(len: usize) -> Option<Self> {
        if len == 0 {
            return Some(Self {
                first: NonNull::dangling(),
                len,
            });
        }
        // SAFETY: Every length is fine, and the callers may sleep.
        let first = unsafe { c::rkexec_vzalloc(len) };
        NonNull::new(first.cast()).map(|first| Self { first, len })
    }

    /// The contents.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: They are ours, and were zeroed when they were allocated.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }

    /// The contents, for writing.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: As above, and borrowed for writing.
        unsafe { slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }

    /// Some whole pages of it as page-sized `T`; `None` if there are not so many.
    pub(crate) fn pages<T: FromBytes>(&self, which: Range<usize>) -> Option<&[T]> {
        const { assert!(size_of::<T>() == PAGE_BYTES && align_of::<T>() <= PAGE_BYTES) };
        let bytes = self.bytes().get(bytes_of(&which)?)?;
        // SAFETY: They begin at a page and are so many; any bytes make a `T`.
        Some(unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), which.len()) })
    }

    /// The same, for writing.
    pub(crate) fn pages_mut<T: FromBytes + AsBytes>(
        &mut self,
        which: Range<usize>,
    ) -> Option<&mut [T]> {
        const { assert!(size_of::<T>() == PAGE_BYTES && align_of::<T>() <= PAGE_BYTES) };
        let bytes = self.bytes_mut().get_mut(bytes_of(&which)?)?;
        // SAFETY: They begin at a page and are so many; any bytes make a `T`.
        Some(unsafe { slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), which.len()) })
    }
}

/// The bytes of these pages.
fn bytes_of(pages: &Range<usize>) -> Option<Range<usize>> {
    Some(pages.start.checked_mul(PAGE_BYTES)?..pages.end.checked_mul(PAGE_BYTES)?)
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: `alloc` allocated it, and nothing refers to it any more.
            unsafe { c::vfree(self.first.as_ptr().cast()) };
        }
    }
}
