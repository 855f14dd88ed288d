//! The processors: what those of the bare machine offer, how this kernel uses them, and their end.

use kernel::time::delay::udelay;
use kernel::time::Delta;

use super::bindings::kernel as c;
use crate::pure::identity::{Levels, Paging};

/// The shape of the page tables that this kernel leaves to the next. It cannot go over to another
/// number of levels, and has pages of 1 GiB where the processor has them, unless its command line
/// says `nogbpages`.
pub(crate) fn paging() -> Paging {
    // SAFETY: A register, and a number that is written at boot.
    let (five, gib_pages) = unsafe { (c::rkexec_five_levels(), c::direct_gbpages != 0) };
    Paging {
        levels: if five { Levels::Five } else { Levels::Four },
        gib_pages,
    }
}

/// How often the time stamp counter ticks in a millisecond; 0 if the kernel does not know.
pub(crate) fn tsc_khz() -> u64 {
    // SAFETY: A number that is written at boot.
    u64::from(unsafe { c::tsc_khz })
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

/// Whether this kernel loads no image at all on this processor: what TDX leaves in memory would be the end
/// of the next kernel (erratum `tdx_pw_mce`), and Linux before 7.2 does not clear it.
pub(crate) fn tdx_forbids_kexec() -> bool {
    // SAFETY: The function only answers a question.
    unsafe { c::rkexec_tdx_forbids_kexec() }
}

/// Stops all other processors of this kernel for good, and interrupts on this one: nothing runs from
/// here on but the caller. False if some have not stopped within a second.
///
/// The caller has seen to it that it stays on this processor, as `migrate_to_reboot_cpu()` does, and
/// that nobody needs the others any more.
pub(crate) fn stop_others() -> bool {
    const STEP: Delta = Delta::from_micros(100);
    const STEPS: u32 = 10_000;
    // SAFETY: A counter.
    let is_alone = || unsafe { c::rkexec_online_cpus() } <= 1;
    // SAFETY: Interrupts are on, as they are for every caller that is not an interrupt itself.
    unsafe { c::rkexec_send_stop() };
    for _ in 0..STEPS {
        if is_alone() {
            break;
        }
        udelay(STEP);
    }
    // SAFETY: The kernel's own shutdown does the same; nobody expects interrupts to be on afterwards.
    unsafe { c::rkexec_local_irq_disable() };
    is_alone()
}
