//! Where the next kernel is entered: as it is packed, and what was packed in it.

use std::path::Path;

use anyhow::{Context, Result};
use formats::bzimage::BzImage;
use fs_err as fs;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::LittleEndian;

/// Both in bytes from where it is loaded. Without KASLR it unpacks itself to that very place.
pub struct NextKernel {
    pub entry: u64,
    pub unpacked: u64,
}

impl NextKernel {
    pub fn read(vmlinuz: &Path) -> Result<Self> {
        let image = fs::read(vmlinuz)?;
        let image = BzImage::parse(&image)?;
        let elf = image.unpack()?;
        let header = FileHeader64::<LittleEndian>::parse(&*elf)?;
        let segments = header.program_headers(LittleEndian, &*elf)?.iter();
        let loaded = segments.filter(|it| it.p_type(LittleEndian) == PT_LOAD);
        let first = loaded.map(|it| it.p_paddr(LittleEndian)).min();
        let entry = header.e_entry(LittleEndian);
        let unpacked = first.and_then(|first| entry.checked_sub(first));
        Ok(Self {
            entry: image.entry(0),
            unpacked: unpacked.context("a kernel that begins before its first segment")?,
        })
    }
}
