//! A serial port: a 16550, polled.

use core::fmt;

use crate::cpu::{inb, outb};
use crate::text::Sink;

/// The first one of a PC.
pub const COM1: u16 = 0x3f8;

/// Offset of the line status register.
const LINE_STATUS: u16 = 5;
/// In it: the transmitter takes another byte.
const READY: u8 = 1 << 5;
/// In it: everything is sent.
const EMPTY: u8 = 1 << 6;
/// In it, if there is no such port: the bus floats.
const ABSENT: u8 = 0xff;
/// How often to look before giving up: a read takes about a microsecond, a byte at 1200 baud
/// eight milliseconds.
const PATIENCE: u32 = 50_000;

/// The port.
pub struct Serial {
    /// Its first register, or `None` once there is nothing to talk to.
    port: Option<u16>,
}

impl Serial {
    /// The one at `port`, as it was set up by whoever used it before.
    pub const fn new(port: Option<u16>) -> Self {
        Self { port }
    }

    /// The one at `port`, for 115200 baud and 8 bits, in whatever state it was.
    pub fn set_up(port: u16) -> Self {
        let mut serial = Self::new(Some(port));
        serial.wait_for(EMPTY);
        for (register, value) in [
            (1, 0),    // No interrupts.
            (3, 0x80), // The next two are the divisor:
            (0, 1),    // 115200 baud,
            (1, 0),    // and its upper half.
            (3, 3),    // 8 bits, no parity, one stop bit.
            (2, 1),    // With its queue, as it is.
            (4, 3),    // Data terminal ready, request to send.
        ] {
            outb(port.wrapping_add(register), value);
        }
        // What it was stuck in before is over.
        serial.port = Some(port);
        serial
    }

    fn send(&mut self, byte: u8) {
        if let Some(port) = self.wait_for(READY) {
            outb(port, byte);
        }
    }

    /// Waits for a bit of the line status. Returns the port, or forgets it if that never comes.
    fn wait_for(&mut self, bit: u8) -> Option<u16> {
        let port = self.port?;
        for _ in 0..PATIENCE {
            let status = inb(port.wrapping_add(LINE_STATUS));
            if status == ABSENT {
                break;
            }
            if status & bit != 0 {
                return Some(port);
            }
        }
        self.port = None;
        None
    }
}

impl Sink for Serial {
    fn put(&mut self, byte: u8) {
        if byte == b'\n' {
            self.send(b'\r');
        }
        self.send(byte);
        if byte == b'\n' {
            // What comes next may be a reset, or a kernel that sets the port up anew.
            self.wait_for(EMPTY);
        }
    }
}

/// For programs that can afford `core::fmt`.
impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}
