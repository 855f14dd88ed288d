//! The one way from pseudo-physical frames to machine frames.

use super::bindings::kernel as c;
use crate::pure::addr::{Addr, Mfn, Pfn};
use crate::pure::range::{MaRange, PaRange, Range};

/// A mapping from what the running kernel calls physical to what the machine has.
pub(crate) trait P2m {
    /// The machine frame behind `pfn`, or `None` if this kernel owns none there.
    fn to_machine(&self, pfn: Pfn) -> Option<Mfn>;
}

/// The P2M table that Xen's PV guests keep (`arch/x86/xen/p2m.c`).
pub(crate) struct XenPv;

/// A frame of another domain, mapped here.
const FOREIGN_FRAME: u64 = 1 << 63;
/// A frame that is mapped to itself and not owned: devices, firmware, holes.
const IDENTITY_FRAME: u64 = 1 << 62;

impl P2m for XenPv {
    fn to_machine(&self, pfn: Pfn) -> Option<Mfn> {
        // SAFETY: The function bounds the index itself, and only reads.
        let entry = unsafe { c::rkexec_p2m_entry(pfn.number()) };
        // The raw entry decides: `pfn_to_mfn()` strips the marks and so takes frames for owned that
        // are not. (An invalid entry is all ones, and therefore marked as well.)
        if entry & (FOREIGN_FRAME | IDENTITY_FRAME) != 0 {
            return None;
        }
        // SAFETY: The function bounds the index itself, and survives a hole in the table.
        let back = unsafe { c::rkexec_m2p_entry(entry) };
        if back != pfn.number() {
            return None;
        }
        Mfn::from_number(entry)
    }
}

/// Bare metal: what the kernel calls physical is what the machine has.
pub(crate) struct Native;

impl P2m for Native {
    fn to_machine(&self, pfn: Pfn) -> Option<Mfn> {
        Mfn::from_number(pfn.number())
    }
}

impl Native {
    /// The frame of the kernel's own space that is this one.
    pub(crate) fn to_physical(&self, mfn: Mfn) -> Option<Pfn> {
        Pfn::from_number(mfn.number())
    }

    /// The same bytes, as a range of this kernel's.
    pub(crate) fn physical(&self, range: MaRange) -> Option<PaRange> {
        Range::new(
            Addr::new(range.start().raw())?,
            Addr::new(range.end().raw())?,
        )
    }

    /// The same bytes, as a range of machine memory.
    pub(crate) fn range(&self, range: PaRange) -> Option<MaRange> {
        Range::new(
            Addr::new(range.start().raw())?,
            Addr::new(range.end().raw())?,
        )
    }
}
