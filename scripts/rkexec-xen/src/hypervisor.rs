//! The image of a hypervisor: an ELF file, as a rule packed with gzip, with a multiboot header.
//!
//! Xen's own build makes it (`xen/arch/x86/boot/mkelf32.c`): one segment, loaded at 2 MiB, with a header for each
//! version of the protocol in the first pages (`xen/arch/x86/boot/head.S`).

use anyhow::{bail, ensure, Context, Result};
use flate2::read::MultiGzDecoder;
use formats::unpacked;
use object::elf::{FileHeader32, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};
use rkexec::addr::PAGE_SIZE;

use crate::memory::FOUR_GIB;

/// A hypervisor that can be loaded.
#[derive(Debug)]
pub struct Hypervisor {
    pub protocol: Protocol,
    /// The physical address that it is linked to, the beginning of a page.
    pub start: u64,
    /// Where it is entered, from `start` on.
    pub entry_offset: u64,
    /// What is loaded.
    pub bytes: Vec<u8>,
    /// How much memory it takes: zeros behind the bytes. In whole pages.
    pub memory_bytes: u64,
}

/// How a hypervisor wants to be told what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Multiboot1,
    Multiboot2 { relocatable: Option<Relocatable> },
}

/// Where a hypervisor may be loaded other than where it is linked to (Multiboot2 specification 2.0, 3.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocatable {
    pub min: u64,
    /// The last address that any of it may have.
    pub max: u64,
    pub align: u64,
}

/// More than any Xen has, debug information and all.
const MOST_BYTES: u64 = 256 << 20;

/// What a file holds, unpacked if it is packed with gzip.
///
/// # Errors
///
/// It is packed, and cannot be unpacked or is too large then.
pub fn unpack(file: Vec<u8>) -> Result<Vec<u8>> {
    if !file.starts_with(&[0x1f, 0x8b]) {
        return Ok(file);
    }
    unpacked(MultiGzDecoder::new(&*file))
}

impl Hypervisor {
    /// Looks at an image that is not packed.
    ///
    /// # Errors
    ///
    /// It is no ELF file of 32 or 64 bits, has no multiboot header, or demands of its loader what this one cannot.
    pub fn parse(image: &[u8]) -> Result<Self> {
        let protocol = match (multiboot2(image)?, multiboot1(image)?) {
            (Some(relocatable), _) => Protocol::Multiboot2 { relocatable },
            (None, true) => Protocol::Multiboot1,
            (None, false) => {
                bail!("it has no multiboot header, so it is no Xen that a boot loader could start")
            }
        };
        match FileKind::parse(image) {
            Ok(FileKind::Elf32) => elf::<FileHeader32<Endianness>>(image, protocol),
            Ok(FileKind::Elf64) => elf::<FileHeader64<Endianness>>(image, protocol),
            _ => bail!("it is no ELF file, so it is no Xen that a boot loader could start"),
        }
    }
}

/// What is to be loaded of an ELF file: all its segments in one piece.
fn elf<H: FileHeader<Endian = Endianness>>(image: &[u8], protocol: Protocol) -> Result<Hypervisor> {
    let broken = "it is a broken ELF file";
    let header = H::parse(image).context(broken)?;
    let endian = header.endian().context(broken)?;
    let programs = header
        .program_headers(endian, image)
        .context(broken)?
        .iter();
    let programs = programs.filter(|program| program.p_type(endian) == PT_LOAD);
    let range = |program: &H::ProgramHeader| {
        let start: u64 = program.p_paddr(endian).into();
        let end = start
            .checked_add(program.p_memsz(endian).into())
            .context(broken)?;
        ensure!(
            end <= FOUR_GIB,
            "it is linked to addresses beyond 4 GiB: this is not the file that boot loaders load"
        );
        Ok((start, end))
    };
    let (mut start, mut end) = (FOUR_GIB, 0);
    for program in programs.clone() {
        let (first, behind) = range(program)?;
        (start, end) = (start.min(first), end.max(behind));
    }
    start -= start % PAGE_SIZE;
    let memory_bytes = end.saturating_sub(start).next_multiple_of(PAGE_SIZE);
    ensure!(
        (1..=MOST_BYTES).contains(&memory_bytes),
        "its size makes no sense"
    );

    let mut bytes = vec![0; memory_bytes as usize];
    let mut used = 0;
    for program in programs {
        let at = (range(program)?.0 - start) as usize;
        let data = program.data(endian, image).ok().context(broken)?;
        bytes
            .get_mut(at..at + data.len())
            .context(broken)?
            .copy_from_slice(data);
        used = used.max(at + data.len());
    }
    bytes.truncate(used);
    let entry: u64 = header.e_entry(endian).into();
    let entry_offset = entry
        .checked_sub(start)
        .filter(|&offset| offset < used as u64);
    Ok(Hypervisor {
        protocol,
        start,
        entry_offset: entry_offset
            .with_context(|| format!("its entry ({entry:#x}) is not in it"))?,
        bytes,
        memory_bytes,
    })
}

/// A 32-bit number of the image.
fn word(image: &[u8], at: usize) -> Option<u32> {
    let bytes = image.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Whether there is a header of version 1 (Multiboot specification 0.6.96, 3.1): in the first 8 KiB, aligned to 4.
fn multiboot1(image: &[u8]) -> Result<bool> {
    const MAGIC: u32 = 0x1bad_b002;
    /// Requirements of the kernel that are met here: modules at pages, and the memory map.
    const MET: u32 = 0b11;
    /// The bits that say what a loader must be able to do.
    const REQUIRED: u32 = 0xffff;

    for at in (0..8192).step_by(4) {
        let (Some(MAGIC), Some(flags), Some(sum)) =
            (word(image, at), word(image, at + 4), word(image, at + 8))
        else {
            continue;
        };
        if MAGIC.wrapping_add(flags).wrapping_add(sum) == 0 {
            let unmet = flags & REQUIRED & !MET;
            ensure!(
                unmet == 0,
                "its multiboot header demands what is not to be had (flags {flags:#x})"
            );
            return Ok(true);
        }
    }
    Ok(false)
}

/// The header of version 2 (Multiboot2 specification 2.0, 3.1), if there is one: in the first 32 KiB, aligned to 8. And
/// in it, whether the image may be loaded anywhere.
fn multiboot2(image: &[u8]) -> Result<Option<Option<Relocatable>>> {
    const MAGIC: u32 = 0xe852_50d6;
    const ARCHITECTURE_I386: u32 = 0;

    for at in (0..32768).step_by(8) {
        let (Some(MAGIC), Some(ARCHITECTURE_I386), Some(length), Some(sum)) = (
            word(image, at),
            word(image, at + 4),
            word(image, at + 8),
            word(image, at + 12),
        ) else {
            continue;
        };
        if MAGIC.wrapping_add(length).wrapping_add(sum) == 0 {
            let end = at.saturating_add(length as usize).min(image.len());
            return Ok(Some(tags(&image[at + 16..end.max(at + 16)])?));
        }
    }
    Ok(None)
}

/// What the tags of a header say.
fn tags(mut tags: &[u8]) -> Result<Option<Relocatable>> {
    const OPTIONAL: u32 = 1;
    const END: u32 = 0;
    const INFORMATION_REQUEST: u32 = 1;
    const ADDRESS: u32 = 2;
    const ENTRY_ADDRESS: u32 = 3;
    const MODULE_ALIGN: u32 = 6;
    const RELOCATABLE: u32 = 10;
    /// Kinds of information that are passed on (see `multiboot.rs`); the end is one of them.
    const INFORMATION: [u32; 7] = [0, 1, 2, 3, 4, 6, 8];

    let mut relocatable = None;
    loop {
        let (Some(kind), Some(size)) = (word(tags, 0), word(tags, 4)) else {
            bail!("its multiboot2 header has no end");
        };
        let (kind, optional) = (kind & 0xffff, (kind >> 16) & OPTIONAL != 0);
        let size = size as usize;
        ensure!(
            (8..=tags.len()).contains(&size),
            "its multiboot2 header is broken"
        );
        let body = &tags[8..size];
        match kind {
            END => return Ok(relocatable),
            INFORMATION_REQUEST => {
                let wanted = body.chunks_exact(4).filter_map(|bytes| word(bytes, 0));
                let unmet = wanted.into_iter().find(|kind| !INFORMATION.contains(kind));
                ensure!(
                    optional || unmet.is_none(),
                    "its multiboot2 header demands information that is not to be had (type {})",
                    unmet.unwrap_or(0)
                );
            }
            // Where they are, it is not loaded as the ELF file that it is. No Xen has them.
            ADDRESS | ENTRY_ADDRESS => bail!("its multiboot2 header has addresses of its own"),
            MODULE_ALIGN => {}
            RELOCATABLE => {
                if let (Some(min), Some(max), Some(align)) =
                    (word(body, 0), word(body, 4), word(body, 8))
                {
                    relocatable = Some(Relocatable {
                        min: min.into(),
                        max: max.into(),
                        align: align.into(),
                    });
                }
            }
            _ => ensure!(
                optional,
                "its multiboot2 header demands what is not to be had (tag {kind})"
            ),
        }
        let next = size.next_multiple_of(8).min(tags.len());
        tags = &tags[next..];
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    /// A multiboot2 header with these tags, behind the magic words of an ELF file.
    fn image(tags: &[u32]) -> Vec<u8> {
        let length = 16 + 4 * tags.len() as u32;
        let sum = 0_u32.wrapping_sub(0xe852_50d6).wrapping_sub(length);
        let words = [0xe852_50d6, 0, length, sum]
            .into_iter()
            .chain(tags.iter().copied());
        let mut image = elf32();
        image.extend(words.flat_map(u32::to_le_bytes));
        image
    }

    /// 128 bytes: an ELF file of 32 bits with one segment, of itself at 2 MiB, and of 12 KiB in memory.
    fn elf32() -> Vec<u8> {
        let mut elf = vec![
            0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0,
        ];
        // Version, entry, program headers, section headers, flags.
        let words = [1, 0x20_0010, 52, 0, 0];
        elf.extend(words.into_iter().flat_map(u32::to_le_bytes));
        elf.extend([52, 0, 32, 0, 1, 0, 40, 0, 0, 0, 0, 0]);
        let segment = [1, 0, 0x20_0000, 0x20_0000, 120, 0x2800, 7, 0x1000];
        elf.extend(segment.into_iter().flat_map(u32::to_le_bytes));
        elf.resize(128, 0);
        elf
    }

    const END: [u32; 2] = [0, 8];
    const RELOCATABLE: [u32; 6] = [0x1_000a, 24, 0x20_0000, 0xffff_ffff, 0x20_0000, 2];

    fn refusal(image: &[u8]) -> String {
        Hypervisor::parse(image).unwrap_err().to_string()
    }

    #[test]
    fn a_multiboot2_header_says_where_it_may_be_loaded() {
        let hypervisor = Hypervisor::parse(&image(&[&RELOCATABLE[..], &END].concat())).unwrap();
        let relocatable = Some(Relocatable {
            min: 0x20_0000,
            max: 0xffff_ffff,
            align: 0x20_0000,
        });
        assert_eq!(hypervisor.protocol, Protocol::Multiboot2 { relocatable });
        assert_eq!(
            (hypervisor.start, hypervisor.entry_offset),
            (0x20_0000, 0x10)
        );
        assert_eq!(
            (hypervisor.bytes.len(), hypervisor.memory_bytes),
            (120, 0x3000)
        );
    }

    #[test]
    fn without_one_version_1_will_do() {
        let mut image = elf32();
        for word in [0x1bad_b002_u32, 3, 0_u32.wrapping_sub(0x1bad_b005)] {
            image.extend(word.to_le_bytes());
        }
        let hypervisor = Hypervisor::parse(&image).unwrap();
        assert_eq!(hypervisor.protocol, Protocol::Multiboot1);
    }

    #[test]
    fn a_demand_that_cannot_be_met_is_refused_and_a_wish_is_not() {
        assert!(refusal(&image(&[99, 8, 0, 8])).contains("demands what is not to be had (tag 99)"));
        assert!(Hypervisor::parse(&image(&[0x1_0063, 8, 0, 8])).is_ok());
        // Information of the type 12, EFI's system table.
        assert!(refusal(&image(&[1, 12, 12, 0, 0, 8]))
            .contains("information that is not to be had (type 12)"));
        assert!(Hypervisor::parse(&image(&[1, 12, 6, 0, 0, 8])).is_ok());
    }

    #[test]
    fn other_files_are_refused() {
        assert!(refusal(&elf32()).contains("no multiboot header"));
        assert!(refusal(b"").contains("no multiboot header"));
        assert!(refusal(&image(&END)[128..]).contains("no ELF file"));
        assert!(refusal(&image(&[])).contains("has no end"));
        assert!(refusal(&image(&[10, 80])).contains("broken"));
        let mut far = image(&END);
        far[24..28].copy_from_slice(&0x30_0000_u32.to_le_bytes());
        assert!(refusal(&far).contains("its entry (0x300000) is not in it"));
    }

    #[test]
    fn what_is_packed_is_unpacked_and_what_is_not_stays() {
        let mut packer = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"\x7fELF").unwrap();
        let mut packed = packer.finish().unwrap();
        assert_eq!(unpack(packed.clone()).unwrap(), b"\x7fELF");
        assert_eq!(unpack(b"\x7fELF".to_vec()).unwrap(), b"\x7fELF");
        packed.truncate(15);
        assert!(unpack(packed).is_err());
    }
}
