//! A bzImage, as a boot loader sees it (Documentation/arch/x86/boot.rst).

use std::mem::{offset_of, size_of};

use anyhow::{ensure, Context, Result};

use crate::sys::bindings::linux::{boot_params, setup_header, XLF_KERNEL_64};

/// Where the setup header is: at the same place in the file and in `boot_params`.
const HEADER: usize = offset_of!(boot_params, hdr);
/// The first version of the protocol that has the flag for the 64-bit entry.
const OLDEST: u16 = 0x20c;
/// The 64-bit entry, from where the protected-mode kernel is loaded.
const ENTRY_64: u64 = 0x200;
/// Bytes in the unit of `setup_sects`.
const SECTOR: usize = 512;

/// A kernel that has a 64-bit entry.
#[derive(Clone, Copy, Debug)]
pub struct BzImage<'a> {
    file: &'a [u8],
    setup_bytes: usize,
}

/// A field of the setup header: its offset and, by its type, its size.
macro_rules! field {
    ($image:expr, $field:ident : $type:ty) => {{
        let at = HEADER + offset_of!(setup_header, $field);
        let bytes = $image
            .get(at..at + size_of::<$type>())
            .context("the kernel is too short")?;
        <$type>::from_le_bytes(bytes.try_into()?)
    }};
}

impl<'a> BzImage<'a> {
    /// Looks at the file of a kernel.
    ///
    /// # Errors
    ///
    /// It is no bzImage, or one without a 64-bit entry.
    pub fn parse(file: &'a [u8]) -> Result<Self> {
        ensure!(
            field!(file, header: u32).to_le_bytes() == *b"HdrS",
            "the kernel is no bzImage"
        );
        let version = field!(file, version: u16);
        ensure!(version >= OLDEST, "boot protocol {version:#x} is too old");
        let flags = field!(file, xloadflags: u16);
        ensure!(
            u32::from(flags) & XLF_KERNEL_64 != 0,
            "the kernel has no 64-bit entry"
        );
        let sectors = match field!(file, setup_sects: u8) {
            0 => 4, // As it was before the field was there.
            sectors => usize::from(sectors),
        };
        let setup_bytes = (sectors + 1) * SECTOR;
        ensure!(
            setup_bytes < file.len(),
            "the kernel ends inside its setup code"
        );
        Ok(Self { file, setup_bytes })
    }

    /// What is loaded.
    pub fn payload(&self) -> &'a [u8] {
        &self.file[self.setup_bytes..]
    }

    /// How much memory it needs from where it is loaded, in bytes.
    ///
    /// # Errors
    ///
    /// Never: the header was whole.
    pub fn memory(&self) -> Result<u64> {
        Ok(u64::from(field!(self.file, init_size: u32)))
    }

    /// Where it may be loaded: at a multiple of this.
    ///
    /// # Errors
    ///
    /// Never: the header was whole.
    pub fn alignment(&self) -> Result<u64> {
        Ok(u64::from(field!(self.file, kernel_alignment: u32)))
    }

    /// Where to enter it when it is loaded at `base`.
    pub fn entry(&self, base: u64) -> u64 {
        base + ENTRY_64
    }

    /// Its setup header: as long as it says, at most as long as is known here.
    pub fn header(&self) -> &'a [u8] {
        // The second byte of the jump over the header is its length from there (boot.rst).
        let end = 0x202 + usize::from(self.file[0x201]);
        &self.file[HEADER..end.min(HEADER + size_of::<setup_header>())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> Vec<u8> {
        let mut file = vec![0; 4096];
        file[0x1f1] = 1;
        file[0x201] = 0x6a;
        file[0x202..0x206].copy_from_slice(b"HdrS");
        file[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        file[0x230..0x234].copy_from_slice(&0x20_0000_u32.to_le_bytes());
        file[0x236] = 1;
        file[0x260..0x264].copy_from_slice(&0x123_4000_u32.to_le_bytes());
        file
    }

    #[test]
    fn the_fields_are_where_the_protocol_has_them() {
        let file = kernel();
        let image = BzImage::parse(&file).unwrap();
        assert_eq!(image.payload().len(), 4096 - 1024);
        assert_eq!(image.alignment().unwrap(), 0x20_0000);
        assert_eq!(image.memory().unwrap(), 0x123_4000);
        assert_eq!(image.header().len(), 0x26c - 0x1f1);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(BzImage::parse(b"").is_err());
        assert!(BzImage::parse(&kernel()[..1000]).is_err());
        let mut without_entry = kernel();
        without_entry[0x236] = 0;
        assert!(BzImage::parse(&without_entry).is_err());
    }
}
