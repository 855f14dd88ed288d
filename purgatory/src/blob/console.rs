//! Where the hand-over reports: a serial port, and the text screen of a PC.

use rkexec_handover::report::Sink;

use super::cpu;

/// A 16550, set up by whoever used it before, polled.
pub struct Serial {
    /// Its first register, or `None` once there is nothing to talk to.
    port: Option<u16>,
}

impl Serial {
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

    /// The one at `port`.
    pub const fn new(port: Option<u16>) -> Self {
        Self { port }
    }

    fn put(&mut self, byte: u8) {
        if byte == b'\n' {
            self.send(b'\r');
        }
        self.send(byte);
        if byte == b'\n' {
            // What comes next may be a reset, or a kernel that sets the port up anew.
            self.wait_for(Self::EMPTY);
        }
    }

    fn send(&mut self, byte: u8) {
        if let Some(port) = self.wait_for(Self::READY) {
            cpu::outb(port, byte);
        }
    }

    /// Waits for a bit of the line status. Returns the port, or forgets it if that never comes.
    fn wait_for(&mut self, bit: u8) -> Option<u16> {
        let port = self.port?;
        for _ in 0..Self::PATIENCE {
            let status = cpu::inb(port.wrapping_add(Self::LINE_STATUS));
            if status == Self::ABSENT {
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

/// The first rows of the text screen. On a machine in graphics mode this shows nothing, and does
/// no harm.
pub struct Screen {
    cell: usize,
}

impl Screen {
    const MEMORY: *mut u16 = 0xb8000 as *mut u16;
    const COLUMNS: usize = 80;
    const CELLS: usize = 25 * Self::COLUMNS;
    /// White on red.
    const ATTRIBUTE: u16 = 0x4f00;

    /// The top left corner.
    ///
    /// # Safety
    ///
    /// The memory of the screen is mapped one to one.
    pub const unsafe fn new() -> Self {
        Self { cell: 0 }
    }

    fn put(&mut self, byte: u8) {
        if byte != b'\n' {
            return self.show(byte);
        }
        // Blank the rest of the row.
        self.show(b' ');
        while self.cell % Self::COLUMNS != 0 {
            self.show(b' ');
        }
    }

    fn show(&mut self, byte: u8) {
        if self.cell < Self::CELLS {
            // SAFETY: Inside the screen's 4000 bytes, which `new` was promised to be mapped.
            unsafe {
                Self::MEMORY
                    .add(self.cell)
                    .write_volatile(Self::ATTRIBUTE | u16::from(byte))
            };
            self.cell = self.cell.wrapping_add(1);
        }
    }
}

/// One of the two. A type of its own instead of a generic parameter, so that the blob holds the
/// texts' code once.
pub enum Console {
    /// The serial port.
    Serial(Serial),
    /// The text screen.
    Screen(Screen),
}

impl Sink for Console {
    fn put(&mut self, byte: u8) {
        match self {
            Self::Serial(serial) => serial.put(byte),
            Self::Screen(screen) => screen.put(byte),
        }
    }
}
