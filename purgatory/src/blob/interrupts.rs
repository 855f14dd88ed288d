//! Exceptions, every one of which ends the hand-over; and the interrupt that cannot be switched off (NMI),
//! which does not: a watchdog, or a button, that was meant for the kernel that is gone.
//!
//! An NMI comes on a stack of its own, that of the task state segment: the one in use belongs to a compiler
//! that keeps data below the stack pointer. It is counted and no more (`entry.s`).

use core::cell::UnsafeCell;

use rkexec_bare::{address_of, cpu};
use rkexec_handover::exception::{interrupt_gate, Exception, Gate, NMI, NR_VECTORS, STUB_BYTES};
use rkexec_handover::fault::Fault;

use super::{layout, leave, stop};

/// Which of its stacks the task state segment has for NMIs.
const NMI_STACK: u8 = 1;

/// The interrupt descriptor table, filled in at run time: a table of addresses made by the compiler
/// would need relocation.
#[repr(C, align(16))]
struct Table(UnsafeCell<[Gate; NR_VECTORS]>);

// SAFETY: One processor runs the hand-over, and `install` is the only one to write.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([[0; 2]; NR_VECTORS]));

/// Takes all exceptions from here on.
pub fn install() {
    // SAFETY: Not loaded yet, so nobody else uses it.
    let gates = unsafe { &mut *TABLE.0.get() };
    let mut handler = layout::stubs();
    for (vector, gate) in (0..).zip(gates) {
        *gate = match vector {
            NMI => interrupt_gate(address_of!("handover_nmi"), leave::BOOT_CS, NMI_STACK),
            _ => interrupt_gate(handler, leave::BOOT_CS, 0),
        };
        handler = handler.wrapping_add(STUB_BYTES);
    }
    let bytes = const { size_of::<Table>() as u16 };
    // SAFETY: There is a stub for every vector, and the table is part of the blob.
    unsafe { cpu::load_idt(TABLE.0.get().addr() as u64, bytes) };
}

/// How many NMIs have come since [`install`].
pub fn nmis() -> u64 {
    let count = address_of!("handover_nmis") as *const u64;
    // SAFETY: A number of this program's. Volatile, for the handler writes to it.
    unsafe { count.read_volatile() }
}

/// Called by the stubs with the top of the stack.
///
/// # Safety
///
/// `stack` points to at least three words.
pub unsafe extern "C" fn raised(stack: *const [u64; 3]) -> ! {
    // SAFETY: The return address of the stub, and what the processor pushed before it.
    let words = unsafe { &*stack };
    let exception = Exception::decode(words, layout::stubs(), cpu::page_fault_address());
    stop::stop(&Fault::Exception(exception))
}
