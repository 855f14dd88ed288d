//! The kernel's last code: it runs in the image's control page, goes over to the image's page
//! tables, copies the image to its place, and enters it (`arch/x86/kernel/relocate_kernel_64.S`).
//!
//! It is a piece of text with its data. The data is filled in where it is linked, then the whole
//! is copied to the control page; the copy is what counts.

use core::ptr::{addr_of, addr_of_mut};

use kernel::error::to_result;
use kernel::prelude::*;

use super::bindings::kernel as c;
use super::kimage::Kimage;
use super::pages::RawPage;
use crate::pure::addr::{Addr, Mfn, Pfn, PAGE_SIZE};
use crate::pure::range::{PaRange, Range};

/// Exceptions that the code handles when it debugs itself: vectors 0 to 15.
const NR_VECTORS: u64 = 16;

/// A present trap gate of ring 0 (Intel SDM vol. 3, 6.14.1).
const TRAP_GATE: u64 = 0x8f;

/// Bytes of the code and its data, if they are what this module knows: at most as many as the
/// kernel's own linker script allows.
fn size() -> Option<usize> {
    let start = addr_of!(c::__relocate_kernel_start).addr();
    let size = addr_of!(c::__relocate_kernel_end)
        .addr()
        .checked_sub(start)?;
    (size <= c::KEXEC_CONTROL_CODE_MAX_SIZE as usize).then_some(size)
}

/// Whether the kernel's code fits into its control page.
pub(crate) fn is_known() -> bool {
    size().is_some()
}

/// Puts the code in the control page of `image`, set up for the page table `root`, and makes the
/// page executable. On bare metal only, where a physical address is a machine address.
pub(crate) fn install(image: &Kimage<'_>, root: Mfn) -> Result {
    let size = size().ok_or(EIO)?;
    let code = image.control_code_page().ok_or(EIO)?;
    let (at, pfn) = (code.address(), code.pfn().ok_or(EIO)?);
    // SAFETY: The variables are the code's, and the kexec lock, which is held, protects them.
    unsafe {
        c::kexec_va_control_page = at as c_ulong;
        c::kexec_pa_table_page = root.start().raw() as c_ulong;
        if let Some(swap) = image.swap_page().and_then(RawPage::pfn) {
            c::kexec_pa_swap_page = swap.start().raw() as c_ulong;
        }
    }
    set_gates(pfn);
    // SAFETY: The control page is this image's and larger than the code; the code is readable.
    unsafe {
        let from = addr_of!(c::__relocate_kernel_start).cast::<u8>();
        from.copy_to_nonoverlapping(code.as_ptr(), size);
    }
    // SAFETY: The page is in the direct map and the image's; the kernel's cleanup undoes it.
    to_result(unsafe { c::set_memory_rox(at as c_ulong, 1) })
}

/// The registers of the serial port that the code reports exceptions on, if it is one in memory:
/// whole pages.
pub(crate) fn serial_port() -> Option<PaRange> {
    /// Registers of a 16550 that is accessed by words, as far as the code uses them.
    const REGISTERS: u64 = 24;
    // SAFETY: A number that is written at boot, 0 if there is no such port.
    let at = unsafe { c::kexec_debug_8250_mmio32 } as u64;
    let range = Range::from_len(Addr::new(at).filter(|_| at != 0)?, REGISTERS)?;
    Some(range.round_out(PAGE_SIZE))
}

/// Lets the exceptions lead to where their handlers will be, in the control page.
fn set_gates(control_page: Pfn) {
    let start = addr_of!(c::__relocate_kernel_start).addr();
    let handlers = addr_of!(c::kexec_debug_exc_vectors).addr();
    // Both are in the same piece of text, the handlers behind its start; and an address in a page
    // is far from the largest number.
    let first = (control_page.start().raw()).wrapping_add(handlers.wrapping_sub(start) as u64);
    let idt = addr_of_mut!(c::kexec_debug_idt).cast::<[u64; 2]>();
    for vector in 0..NR_VECTORS {
        let bytes = u64::from(c::KEXEC_DEBUG_EXC_HANDLER_SIZE).wrapping_mul(vector);
        let gate = trap_gate(first.wrapping_add(bytes));
        // SAFETY: The table has as many gates, of 16 bytes each, and the kexec lock protects it.
        unsafe { idt.wrapping_add(vector as usize).write_unaligned(gate) };
    }
}

/// The two words of a gate to `handler` in the kernel's code segment.
fn trap_gate(handler: u64) -> [u64; 2] {
    let low = handler & 0xffff;
    let middle = (handler >> 16) & 0xffff;
    [
        low | u64::from(c::__KERNEL_CS) << 16 | TRAP_GATE << 40 | middle << 48,
        handler >> 32,
    ]
}
