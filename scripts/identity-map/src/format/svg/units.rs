//! Numbers as people like to read them.

/// A number of bytes in the largest unit that it fills, to three digits: `1.71 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(exponent) = bytes.max(1).ilog2().checked_div(10).filter(|&e| e > 0) else {
        return format!("{bytes} B");
    };
    let unit = UNITS[exponent as usize - 1];
    // CAST: three digits of it are shown.
    let number = bytes as f64 / (1_u64 << (10 * exponent)) as f64;
    let decimals = match number {
        n if n.fract() == 0.0 => 0,
        n if n < 9.995 => 2,
        n if n < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {unit}")
}

/// `1 table`, `2 tables`: for words that take an s.
pub(super) fn count(number: u64, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let cases = [
            (0, "0 B"),
            (1, "1 B"),
            (1023, "1023 B"),
            (1 << 10, "1 KiB"),
            (640 << 10, "640 KiB"),
            (1_836_318_720, "1.71 GiB"),
            (10_737_418_240 + (512 << 20), "10.5 GiB"),
            ((1 << 40) - 1, "1024 GiB"),
            (1 << 52, "4 PiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (number, text) in cases {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn one_and_many() {
        assert_eq!(count(1, "page"), "1 page");
        assert_eq!(count(0, "page"), "0 pages");
    }
}
