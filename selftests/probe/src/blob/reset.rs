//! The end.

use core::arch::asm;

use crate::cpu::{inb, outb};

/// Resets the machine: through the keyboard controller, the chipset, or the processor itself.
pub fn reset() -> ! {
    /// Command and status port of the keyboard controller; status bit 1: it still reads the last.
    const KEYBOARD: u16 = 0x64;
    /// Reset control register of every chipset since the 440FX: bit 1 hard, bit 2 go, bit 3 full.
    const RESET_CONTROL: u16 = 0xcf9;

    for _ in 0..1000 {
        if inb(KEYBOARD) & 2 == 0 {
            break;
        }
    }
    outb(KEYBOARD, 0xfe); // Pulse the reset line.
    pause();

    outb(RESET_CONTROL, 0x02);
    pause();
    outb(RESET_CONTROL, 0x0e);
    pause();

    // SAFETY: There are no handlers, so this exception shuts the processor down, which resets a PC.
    unsafe { asm!("ud2", options(noreturn, nomem, nostack)) }
}

/// A few milliseconds: an access to port 0x80 takes about one microsecond, and is otherwise without
/// effect.
fn pause() {
    for _ in 0..5000 {
        outb(0x80, 0);
    }
}
