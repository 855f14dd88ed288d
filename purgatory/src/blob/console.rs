//! Where the hand-over reports: a serial port, and the text screen of a PC.

use rkexec_bare::serial::Serial;
use rkexec_bare::text::Sink;

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
