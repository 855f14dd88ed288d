//! Text, byte by byte. `core::fmt` has panic paths and tables of addresses, which a program that
//! nobody relocates cannot have.

/// Something that shows text. Lines end in `\n`.
pub trait Out {
    /// Shows one byte of ASCII.
    fn put(&mut self, byte: u8);

    /// Shows `text`.
    fn text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.put(byte);
        }
    }

    /// Shows `value` as 16 hexadecimal digits.
    fn hex(&mut self, value: u64) {
        for digit in (0..16).rev() {
            // CAST: four bits.
            let nibble = (value >> (digit << 2)) as u8 & 15;
            self.put(match nibble {
                0..10 => nibble.wrapping_add(b'0'),
                _ => nibble.wrapping_add(b'a' - 10),
            });
        }
    }

    /// Shows `value` as a decimal number.
    fn decimal(&mut self, value: u64) {
        // The greatest power of ten that is not above the value.
        let mut unit = 1_u64;
        while let Some(next) = unit.checked_mul(10).filter(|&next| next <= value) {
            unit = next;
        }
        while unit > 0 {
            // CAST: one digit.
            self.put(((value / unit % 10) as u8).wrapping_add(b'0'));
            unit /= 10;
        }
    }
}
