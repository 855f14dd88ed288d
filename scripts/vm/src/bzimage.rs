//! A kernel as a program that anybody can load: what a bzImage has packed in it.

use std::io::Read;

use anyhow::{ensure, Context, Result};
use ruzstd::decoding::StreamingDecoder;

/// The ELF file in a bzImage that was packed with zstd (Documentation/arch/x86/boot.rst has the
/// fields of the header).
///
/// # Errors
///
/// It is no such bzImage.
pub fn unpack(image: &[u8]) -> Result<Vec<u8>> {
    let header = image.get(..0x250).context("too short for a bzImage")?;
    ensure!(&header[0x202..0x206] == b"HdrS", "it is no bzImage");
    let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes"));
    // No setup sectors means four of them.
    let sectors = match header[0x1f1] {
        0 => 4,
        many => usize::from(many),
    };
    let start = (sectors + 1) * 512 + number(0x248) as usize;
    let packed = start
        .checked_add(number(0x24c) as usize)
        .and_then(|end| image.get(start..end))
        .context("its kernel is outside of the file")?;
    // Behind the frame is the length of what is in it, for the kernel's own use.
    let mut kernel = Vec::new();
    StreamingDecoder::new(packed)
        .context("its kernel was not packed with zstd")?
        .read_to_end(&mut kernel)
        .context("unpacking its kernel")?;
    ensure!(kernel.starts_with(b"\x7fELF"), "its kernel is no ELF file");
    Ok(kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bzImage of one setup sector whose kernel is `packed`.
    fn image(packed: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 0x400];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&(packed.len() as u32).to_le_bytes());
        image.extend_from_slice(&[0; 16]);
        image.extend_from_slice(packed);
        image
    }

    /// A frame of one block that is not compressed (RFC 8878): `text` is shorter than 32 bytes.
    fn frame(text: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, text.len() as u8];
        frame.extend_from_slice(&[((text.len() as u8) << 3) | 1, 0, 0]);
        frame.extend_from_slice(text);
        frame
    }

    #[test]
    fn the_kernel_is_unpacked_whatever_is_behind_it() {
        let mut packed = frame(b"\x7fELF and so on");
        packed.extend_from_slice(&15_u32.to_le_bytes());
        assert_eq!(unpack(&image(&packed)).unwrap(), b"\x7fELF and so on");
    }

    #[test]
    fn what_is_no_packed_elf_file_is_refused() {
        assert!(unpack(b"HdrS").is_err());
        assert!(unpack(&image(&frame(b"no ELF file"))).is_err());
        assert!(unpack(&image(b"\x1f\x8b gzip, say")).is_err());
        let mut short = image(&frame(b"\x7fELF"));
        short.pop();
        assert!(unpack(&short).is_err());
    }
}
