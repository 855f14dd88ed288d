//! Exceptions: every one of them ends the hand-over.

use core::cell::UnsafeCell;

use rkexec_bare::cpu;
use rkexec_handover::exception::{interrupt_gate, Exception, Gate, NR_VECTORS, STUB_BYTES};
use rkexec_handover::fault::Fault;

use super::{layout, leave, stop};

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
    for gate in gates {
        *gate = interrupt_gate(handler, leave::BOOT_CS);
        handler = handler.wrapping_add(STUB_BYTES);
    }
    let bytes = const { size_of::<Table>() as u16 };
    // SAFETY: There is a stub for every vector, and the table is part of the blob.
    unsafe { cpu::load_idt(TABLE.0.get().addr() as u64, bytes) };
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
