//! Text, byte by byte, to whatever can show it.
//!
//! `core::fmt` would do this in three lines, with panic paths and tables of addresses, which a
//! program that nobody relocates cannot have.

/// Something that shows text. Lines end in `\n`.
pub trait Sink {
    /// Shows one byte of ASCII.
    fn put(&mut self, byte: u8);

    /// Shows `text`.
    #[inline(never)] // One copy of the loop: it has all the time that a serial port takes.
    fn text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.put(byte);
        }
    }

    /// Shows the lower `digits` hexadecimal digits of `value`, 16 at most.
    fn hex_digits(&mut self, value: u64, digits: u32) {
        for digit in (0..digits).rev() {
            let nibble = (value >> (digit & 15).wrapping_mul(4)) as u8 & 15;
            self.put(if nibble < 10 {
                b'0' | nibble
            } else {
                nibble.wrapping_add(b'a' - 10)
            });
        }
    }

    /// Shows `value` as hexadecimal, with 0x and without leading zeros.
    fn hex(&mut self, value: u64) {
        self.text("0x");
        let bits = 64u32.saturating_sub(value.leading_zeros());
        self.hex_digits(value, bits.div_ceil(4).max(1));
    }

    /// Shows `value` as decimal.
    fn decimal(&mut self, value: u64) {
        // The greatest power of ten that is not above the value.
        let mut unit = 1u64;
        while let Some(next) = unit.checked_mul(10).filter(|&next| next <= value) {
            unit = next;
        }
        while unit > 0 {
            self.put(b'0' | (value / unit % 10) as u8);
            unit /= 10;
        }
    }
}
