//! The serial port: COM1 of a PC, 115200 baud, 8 bits, no parity, polled.

use rkexec_probe::text::Out;

use crate::cpu::{inb, outb};

/// Its first register.
const PORT: u16 = 0x3f8;
/// Line status.
const LINE_STATUS: u16 = PORT + 5;
/// In it: the transmitter takes another byte.
const READY: u8 = 1 << 5;
/// In it: everything is sent.
const EMPTY: u8 = 1 << 6;
/// How often to look before giving up: a read takes about a microsecond, a byte less than a tenth
/// of a millisecond.
const PATIENCE: u32 = 50_000;

/// The port.
pub struct Serial(());

impl Serial {
    /// Sets it up: whoever used it before may have left it in any state.
    pub fn new() -> Self {
        let serial = Self(());
        serial.flush();
        outb(PORT + 1, 0); // No interrupts.
        outb(PORT + 3, 0x80); // The next two are the divisor:
        outb(PORT, 1); // 115200 baud,
        outb(PORT + 1, 0); // and its upper half.
        outb(PORT + 3, 3); // 8 bits, no parity, one stop bit.
        outb(PORT + 2, 1); // With its queue, as it is.
        outb(PORT + 4, 3); // Data terminal ready, request to send.
        serial
    }

    /// Waits until everything is sent.
    pub fn flush(&self) {
        Self::wait_for(EMPTY);
    }

    fn wait_for(bit: u8) {
        for _ in 0..PATIENCE {
            if inb(LINE_STATUS) & bit != 0 {
                break;
            }
        }
    }

    fn send(byte: u8) {
        Self::wait_for(READY);
        outb(PORT, byte);
    }
}

impl Out for Serial {
    fn put(&mut self, byte: u8) {
        if byte == b'\n' {
            Self::send(b'\r');
        }
        Self::send(byte);
    }
}
