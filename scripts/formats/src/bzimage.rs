//! A bzImage, as a boot loader sees it (Documentation/arch/x86/boot.rst).

use anyhow::{ensure, Context, Result};
use ruzstd::decoding::StreamingDecoder;

use crate::unpacked;

/// Where the setup header is, in the file and in `boot_params`, and where its last field ends.
const HEADER: usize = 0x1f1;
const HEADER_END: usize = 0x26c;
const SETUP_SECTS: usize = 0x1f1;
/// The length of what it jumps over: the rest of the header.
const JUMP: usize = 0x201;
const MAGIC: usize = 0x202;
const VERSION: usize = 0x206;
const KERNEL_VERSION: usize = 0x20e;
const KERNEL_ALIGNMENT: usize = 0x230;
const XLOADFLAGS: usize = 0x236;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const INIT_SIZE: usize = 0x260;

/// The first version of the protocol that has the flag for the 64-bit entry.
const OLDEST: u16 = 0x20c;
/// This flag.
const XLF_KERNEL_64: u16 = 1 << 0;
/// The 64-bit entry, from where the protected-mode kernel is loaded.
const ENTRY_64: u64 = 0x200;
/// Bytes in the unit of `setup_sects`.
const SECTOR: usize = 512;

/// A kernel that has a 64-bit entry.
#[derive(Clone, Copy, Debug)]
pub struct BzImage<'a> {
    /// Longer than the header.
    file: &'a [u8],
    setup_bytes: usize,
}

impl<'a> BzImage<'a> {
    /// Looks at the file of a kernel.
    ///
    /// # Errors
    ///
    /// It is no bzImage, or one without a 64-bit entry.
    pub fn parse(file: &'a [u8]) -> Result<Self> {
        ensure!(
            file.len() > HEADER_END && file[MAGIC..].starts_with(b"HdrS"),
            "the kernel is no bzImage"
        );
        // As it was before the field was there.
        let sectors = match file[SETUP_SECTS] {
            0 => 4,
            sectors => usize::from(sectors),
        };
        let image = Self {
            file,
            setup_bytes: (sectors + 1) * SECTOR,
        };
        let version = image.half(VERSION);
        ensure!(version >= OLDEST, "boot protocol {version:#x} is too old");
        ensure!(
            image.half(XLOADFLAGS) & XLF_KERNEL_64 != 0,
            "the kernel has no 64-bit entry"
        );
        ensure!(
            image.setup_bytes < file.len(),
            "the kernel ends inside its setup code"
        );
        Ok(image)
    }

    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.file[at], self.file[at + 1]])
    }

    fn word(&self, at: usize) -> u32 {
        u32::from(self.half(at)) | (u32::from(self.half(at + 2)) << 16)
    }

    /// What is loaded.
    pub fn payload(&self) -> &'a [u8] {
        &self.file[self.setup_bytes..]
    }

    /// How much memory it needs from where it is loaded, in bytes.
    pub fn memory(&self) -> u64 {
        self.word(INIT_SIZE).into()
    }

    /// Where it may be loaded: at a multiple of this.
    pub fn alignment(&self) -> u64 {
        self.word(KERNEL_ALIGNMENT).into()
    }

    /// Where to enter it when it is loaded at `base`.
    pub fn entry(&self, base: u64) -> u64 {
        base + ENTRY_64
    }

    /// Its setup header: as long as it says, at most as long as is known here.
    pub fn header(&self) -> &'a [u8] {
        let end = MAGIC + usize::from(self.file[JUMP]);
        &self.file[HEADER..end.min(HEADER_END)]
    }

    /// The version that it says it is: what `uname -r` says when it runs.
    ///
    /// # Errors
    ///
    /// It does not say.
    pub fn version(&self) -> Result<String> {
        let text = self
            .file
            .get(usize::from(self.half(KERNEL_VERSION)) + 0x200..);
        let text = text.unwrap_or_default().iter().copied();
        let word: Vec<u8> = text.take_while(u8::is_ascii_graphic).collect();
        ensure!(!word.is_empty(), "the kernel has no version");
        Ok(String::from_utf8(word)?)
    }

    /// The ELF file in it as it was packed, and what may be behind that.
    ///
    /// # Errors
    ///
    /// It is not in the file.
    pub fn packed(&self) -> Result<&'a [u8]> {
        let start = self.word(PAYLOAD_OFFSET) as usize;
        start
            .checked_add(self.word(PAYLOAD_LENGTH) as usize)
            .and_then(|end| self.payload().get(start..end))
            .context("its kernel is outside of the file")
    }

    /// The ELF file in it, if that was packed with zstd: a kernel that anybody can load.
    ///
    /// # Errors
    ///
    /// It is packed in another way, broken, or too large to be one.
    pub fn unpack(&self) -> Result<Vec<u8>> {
        let packed = self.packed()?;
        // Behind the frame is the length of what is in it, for the kernel's own use.
        let reader =
            StreamingDecoder::new(packed).context("its kernel was not packed with zstd")?;
        let kernel = unpacked(reader).context("its kernel")?;
        ensure!(kernel.starts_with(b"\x7fELF"), "its kernel is no ELF file");
        Ok(kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one setup sector, with a payload in which `packed` is at 16.
    fn file(packed: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 0x400];
        for (at, bytes) in [
            (SETUP_SECTS, &[1][..]),
            (JUMP, &[0x6a]),
            (MAGIC, b"HdrS"),
            (VERSION, &0x20f_u16.to_le_bytes()),
            (KERNEL_VERSION, &0x100_u16.to_le_bytes()),
            (KERNEL_ALIGNMENT, &0x20_0000_u32.to_le_bytes()),
            (XLOADFLAGS, &[1]),
            (PAYLOAD_OFFSET, &16_u32.to_le_bytes()),
            (PAYLOAD_LENGTH, &(packed.len() as u32).to_le_bytes()),
            (INIT_SIZE, &0x123_4000_u32.to_le_bytes()),
            (0x300, b"7.3.4+x (me) "),
        ] {
            file[at..at + bytes.len()].copy_from_slice(bytes);
        }
        file.extend_from_slice(&[0; 16]);
        file.extend_from_slice(packed);
        file
    }

    /// A frame of one block that is not compressed (RFC 8878): `text` is shorter than 32 bytes.
    fn frame(text: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, text.len() as u8];
        frame.extend_from_slice(&[((text.len() as u8) << 3) | 1, 0, 0]);
        frame.extend_from_slice(text);
        frame
    }

    fn unpack(file: &[u8]) -> Result<Vec<u8>> {
        BzImage::parse(file)?.unpack()
    }

    #[test]
    fn the_fields_are_where_the_protocol_has_them() {
        let file = file(&[0; 0xbf0]);
        let image = BzImage::parse(&file).unwrap();
        assert_eq!(image.payload().len(), 4096 - 1024);
        assert_eq!(image.alignment(), 0x20_0000);
        assert_eq!(image.memory(), 0x123_4000);
        assert_eq!(image.header().len(), 0x26c - 0x1f1);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(BzImage::parse(b"").is_err());
        assert!(BzImage::parse(&file(b"")[..1000]).is_err());
        let mut without_entry = file(b"");
        without_entry[XLOADFLAGS] = 0;
        assert!(BzImage::parse(&without_entry).is_err());
    }

    #[test]
    fn the_version_of_a_kernel_is_the_first_word_of_its_version_text() {
        let file = file(b"");
        let version = |file| BzImage::parse(file).and_then(|image| image.version());
        assert_eq!(version(&file).unwrap(), "7.3.4+x");
        assert!(version(&file[..0x100]).is_err());
    }

    #[test]
    fn the_kernel_is_unpacked_whatever_is_behind_it() {
        let mut packed = frame(b"\x7fELF and so on");
        packed.extend_from_slice(&15_u32.to_le_bytes());
        assert_eq!(unpack(&file(&packed)).unwrap(), b"\x7fELF and so on");
    }

    #[test]
    fn what_is_no_packed_elf_file_is_refused() {
        assert!(unpack(b"HdrS").is_err());
        assert!(unpack(&file(&frame(b"no ELF file"))).is_err());
        assert!(unpack(&file(b"\x1f\x8b gzip, say")).is_err());
        let mut short = file(&frame(b"\x7fELF"));
        short.pop();
        assert!(unpack(&short).is_err());
    }
}
