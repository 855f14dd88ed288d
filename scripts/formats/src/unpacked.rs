//! What was packed, if it is no more than it can be: a few KiB can be the beginning of many GiB.

use std::io::Read;

use anyhow::{ensure, Context, Result};

/// More than any kernel or hypervisor has, in bytes.
const MOST_BYTES: u64 = 512 << 20;

/// All that `reader` unpacks.
///
/// # Errors
///
/// It cannot be unpacked, or is too large for what is loaded by a boot loader.
pub fn unpacked(reader: impl Read) -> Result<Vec<u8>> {
    at_most(MOST_BYTES, reader)
}

fn at_most(most: u64, reader: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader.take(most + 1).read_to_end(&mut bytes);
    read.context("it cannot be unpacked")?;
    ensure!(bytes.len() as u64 <= most, "unpacked it is too large");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{empty, repeat};

    use super::*;

    #[test]
    fn what_has_no_end_is_refused_and_what_is_as_long_as_can_be_is_not() {
        assert_eq!(at_most(4, repeat(7).take(4)).unwrap(), [7; 4]);
        assert_eq!(at_most(4, empty()).unwrap(), []);
        let refusal = at_most(4, repeat(7)).unwrap_err().to_string();
        assert_eq!(refusal, "unpacked it is too large");
    }
}
