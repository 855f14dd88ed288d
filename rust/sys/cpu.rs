//! What the processors of the bare machine offer, and how this kernel uses them.

use super::bindings::kernel as c;
use crate::pure::identity::{Layout, Levels};

/// The shape of the page tables that this kernel leaves to the next. It cannot go over to another
/// number of levels, and has pages of 1 GiB where the processor has them, unless its command line
/// says `nogbpages`.
pub(crate) fn layout() -> Layout {
    // SAFETY: A register, and a number that is written at boot.
    let (five, gib_pages) = unsafe { (c::rkexec_five_levels(), c::direct_gbpages != 0) };
    Layout {
        levels: if five { Levels::Five } else { Levels::Four },
        gib_pages,
    }
}

/// Whether memory is encrypted by the processor (SME, SEV, TDX): then tables and images need marks
/// that this module does not make.
pub(crate) fn encrypts_memory() -> bool {
    // SAFETY: The function only answers a question.
    unsafe {
        c::cc_platform_has(c::cc_attr_CC_ATTR_MEM_ENCRYPT)
            || c::cc_platform_has(c::cc_attr_CC_ATTR_GUEST_MEM_ENCRYPT)
    }
}
