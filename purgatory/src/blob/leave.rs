//! The way out: into the next kernel.

use core::arch::asm;

use rkexec_bare::cpu;
use rkexec_handover::params::Checked;

/// The code segment that Linux's boot protocol asks for.
pub const BOOT_CS: u16 = 0x10;
/// The data segment that it asks for.
pub const BOOT_DS: u16 = 0x18;
/// The task state segment, for its stack. It is behind those, and of no use to the next kernel.
pub const TSS: u16 = 0x20;

/// Enters the next kernel: with CR4 as given, no IDT, task priority 0, a zero return address, and
/// zero in all general registers but RSI.
///
/// # Safety
///
/// The next kernel is in memory.
pub unsafe fn leave(cr4: u64, checked: Checked) -> ! {
    // The copy may have changed what the TLB holds of memory that nobody used so far; Linux does
    // the same at this point.
    // SAFETY: These are the tables that are loaded already, and protected from the copy.
    unsafe { cpu::load_page_tables(checked.root.start().raw()) };
    // SAFETY: Everything that Rust code owns ends here.
    unsafe {
        asm!(
            "jmp handover_leave", // in entry.s; it does not return
            in("rdi") cr4,
            in("rsi") checked.rsi,
            in("rdx") checked.entry,
            options(noreturn),
        )
    }
}
