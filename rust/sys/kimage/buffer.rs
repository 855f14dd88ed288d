//! A view of `struct kexec_buf`, by which the loader of `kexec_file_load` asks for a place for a
//! segment (`include/linux/kexec.h`).

use kernel::prelude::*;

use super::ImageView;
use crate::pure::addr::{Addr, Maddr};
use crate::pure::mem_hole::{Constraints, End};
use crate::pure::range::{MaRange, Range};
use crate::sys::bindings::kernel as c;
use crate::sys::errno;

/// What the loader asks for.
pub(crate) struct KexecBuf<'a>(&'a mut c::kexec_buf);

impl<'a> KexecBuf<'a> {
    /// The view of `buf`.
    ///
    /// # Safety
    ///
    /// `buf` is a live `struct kexec_buf` that nobody else uses during `'a`, as the kernel has just
    /// passed to one of its functions, and so is the image that it is for.
    pub(crate) unsafe fn from_raw(buf: *mut c::kexec_buf) -> Self {
        // SAFETY: By contract.
        Self(unsafe { &mut *buf })
    }

    /// Whether the place is known already.
    pub(crate) fn has_address(&self) -> bool {
        self.0.mem != c::KEXEC_BUF_MEM_UNKNOWN as c_ulong
    }

    /// What sort of place is wanted.
    pub(crate) fn constraints(&self) -> Constraints {
        Constraints {
            bytes: self.0.memsz as u64,
            align: self.0.buf_align as u64,
            min: self.0.buf_min as u64,
            max: self.0.buf_max as u64,
            from: match self.0.top_down {
                true => End::Top,
                false => End::Bottom,
            },
        }
    }

    /// Whether it is for a crash image.
    pub(crate) fn is_for_crash(&self) -> bool {
        self.image().is_crash()
    }

    /// The places of the segments that have one.
    pub(crate) fn taken(&self) -> Result<KVec<MaRange>> {
        self.image().destinations()
    }

    /// Settles the place.
    pub(crate) fn set_address(&mut self, at: Maddr) {
        self.0.mem = at.raw() as c_ulong;
    }

    fn image(&self) -> &ImageView {
        // SAFETY: By contract of `from_raw`, and not longer than `self` is borrowed.
        unsafe { ImageView::from_raw(self.0.image) }
    }
}

impl ImageView {
    /// Where the segments will be that the image has so far, of which the kernel has checked that
    /// they can exist.
    pub(crate) fn destinations(&self) -> Result<KVec<MaRange>> {
        let mut places = KVec::with_capacity(self.nr_segments(), GFP_KERNEL)?;
        for segment in self.segments() {
            let place = Addr::new(segment.mem as u64)
                .and_then(|at| Range::from_len(at, segment.memsz as u64));
            places.push(place.ok_or_else(errno::address_not_available)?, GFP_KERNEL)?;
        }
        Ok(places)
    }
}
