//! QEMU's serial port and its device for leaving.

use rkexec_bare::cpu;

/// The exit code of QEMU is twice this and one more: 33.
pub const DONE: u8 = 0x10;
/// Likewise: 35.
pub const FAILED: u8 = 0x11;

/// Ends QEMU (`-device isa-debug-exit,iobase=0xf4`).
pub fn exit(code: u8) -> ! {
    cpu::outb(0xf4, code);
    cpu::halt()
}

/// Prints a line.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => {{
        use core::fmt::Write as _;
        use rkexec_bare::serial::{Serial, COM1};
        let _ = writeln!(Serial::new(Some(COM1)), $($arg)*);
    }};
}
