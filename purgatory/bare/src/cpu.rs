//! Registers and ports of the processor.

use core::arch::asm;

/// Reads a byte from an I/O port.
pub(crate) fn inb(port: u16) -> u8 {
    let value;
    // SAFETY: This crate reads a 16550 (which port that is its user says), 0xcf9 and the status of the
    // 8042. None of them changes memory.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) };
    value
}

/// Writes a byte to an I/O port: of a 16550, or one that ends the program by resetting or leaving the
/// machine. Nothing else is meant by it, for other devices write to memory.
pub fn outb(port: u16, value: u8) {
    // SAFETY: A 16550 changes no memory, and the end of the program breaks no promise of the language.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

/// Loads the root of the page tables.
///
/// # Safety
///
/// They map everything that is in use where it is now.
pub unsafe fn load_page_tables(root: u64) {
    // Not `nomem`: the tables must be written by now, and what was read through the old ones must
    // not be read again by assumption.
    // SAFETY: As the caller promises.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}

/// The time stamp counter.
pub fn time_stamp() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: Reads a register. Nothing is moved across it that could make a difference of microseconds.
    unsafe { asm!("rdtsc", out("eax") low, out("edx") high, options(nostack, preserves_flags)) };
    (u64::from(high) << 32) | u64::from(low)
}

/// The address of the last page fault.
pub fn page_fault_address() -> u64 {
    let value;
    // SAFETY: Reads a register.
    unsafe { asm!("mov {}, cr2", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// The operand of `lidt`.
#[repr(C, packed)]
struct TableRegister {
    limit: u16,
    base: u64,
}

/// Loads an interrupt descriptor table of `bytes` bytes (less than 64 KiB), or none for 0.
///
/// # Safety
///
/// Each of its gates leads to a handler, and it stays where it is.
pub unsafe fn load_idt(base: u64, bytes: u16) {
    let operand = TableRegister {
        limit: bytes.saturating_sub(1),
        base,
    };
    // SAFETY: As the caller promises.
    unsafe { asm!("lidt [{}]", in(reg) &raw const operand, options(readonly, nostack)) };
}

/// The address of a symbol of an assembler file or a linker script.
///
/// To Rust it would be an `extern` static, whose address the compiler fetches from a global offset
/// table. That table would need relocation; the processor needs none.
#[macro_export]
macro_rules! address_of {
    ($symbol:literal) => {{
        let address: u64;
        // SAFETY: Computes an address and nothing else.
        unsafe {
            core::arch::asm!(
                concat!("lea {}, [rip + ", $symbol, "]"), // relative to this instruction
                out(reg) address,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        address
    }};
}

/// Stops for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: Touches nothing.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// Resets the machine: through the chipset, the keyboard controller, or the processor itself.
pub fn reset() -> ! {
    /// Reset control register of every chipset since the 440FX: bit 1 hard, bit 2 go, bit 3 full.
    const RESET_CONTROL: u16 = 0xcf9;
    /// Command and status port of the keyboard controller; status bit 1: it still reads the last.
    const KEYBOARD: u16 = 0x64;

    let kept = inb(RESET_CONTROL) & !0x0e;
    outb(RESET_CONTROL, kept | 0x02);
    pause();
    outb(RESET_CONTROL, kept | 0x0e);
    pause();

    for _ in 0..1000 {
        if inb(KEYBOARD) & 2 == 0 {
            break;
        }
    }
    outb(KEYBOARD, 0xfe); // Pulse the reset line.
    pause();

    // SAFETY: Without handlers the next exception shuts the processor down, which resets a PC.
    unsafe { load_idt(0, 0) };
    // SAFETY: Raises that exception.
    unsafe { asm!("ud2", options(noreturn, nomem, nostack)) }
}

/// A few milliseconds: an access to port 0x80 takes about one microsecond, and is otherwise without
/// effect.
fn pause() {
    for _ in 0..5000 {
        outb(0x80, 0);
    }
}
