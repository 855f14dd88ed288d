//! Memory that is in one piece for this kernel, and nowhere else: what Xen is to take a copy of.

use core::ops::Range;

use kernel::alloc::flags::__GFP_ZERO;
use kernel::prelude::*;

use super::pages::PAGE_BYTES;

#[repr(C, align(4096))]
#[derive(Clone, Copy)]
struct PageBytes([u8; PAGE_BYTES]);

/// Whole pages.
pub(crate) struct Buffer(VVec<PageBytes>);

impl Buffer {
    /// Zeroed pages, or `None` if there is no memory.
    pub(crate) fn alloc(nr_pages: usize) -> Option<Self> {
        let mut pages = VVec::with_capacity(nr_pages, GFP_KERNEL | __GFP_ZERO).ok()?;
        // SAFETY: There is room for as many, all of it zeros, and these are valid pages. (Nothing is
        // moved there, for that would go by the stack, which is but four pages.)
        unsafe { pages.inc_len(nr_pages) };
        Some(Self(pages))
    }

    /// The contents.
    pub(crate) fn bytes(&self) -> &[u8] {
        let len = size_of_val(self.0.as_slice());
        // SAFETY: The pages are bytes, and follow one another without gaps.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), len) }
    }

    /// The contents, for writing.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let len = size_of_val(self.0.as_slice());
        // SAFETY: As above, and borrowed for writing.
        unsafe { core::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), len) }
    }

    /// Some of the pages as page-sized `T`; `None` if there are not so many pages.
    ///
    /// # Safety
    ///
    /// Every bit pattern is a valid `T`.
    pub(crate) unsafe fn pages<T>(&self, which: Range<usize>) -> Option<&[T]> {
        const { assert!(size_of::<T>() == PAGE_BYTES && align_of::<T>() <= PAGE_BYTES) };
        let pages = self.0.get(which)?;
        // SAFETY: Size and alignment are checked above, the values by contract.
        Some(unsafe { core::slice::from_raw_parts(pages.as_ptr().cast(), pages.len()) })
    }

    /// The same, for writing.
    ///
    /// # Safety
    ///
    /// Every bit pattern is a valid `T`.
    pub(crate) unsafe fn pages_mut<T>(&mut self, which: Range<usize>) -> Option<&mut [T]> {
        const { assert!(size_of::<T>() == PAGE_BYTES && align_of::<T>() <= PAGE_BYTES) };
        let pages = self.0.get_mut(which)?;
        // SAFETY: Size and alignment are checked above, the values by contract.
        Some(unsafe { core::slice::from_raw_parts_mut(pages.as_mut_ptr().cast(), pages.len()) })
    }
}
