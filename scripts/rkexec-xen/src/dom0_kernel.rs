//! Whether a file is a kernel that Xen can start as dom0.
//!
//! Xen itself looks for notes in the kernel's ELF file (`xen/common/libelf/libelf-dominfo.c`); a kernel without them
//! would be found out when there is no way back any more.

use std::fs;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use flate2::read::GzDecoder;
use formats::bzimage::BzImage;
use formats::unpacked;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, ProgramHeader};
use object::Endianness;

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// `XEN_ELFNOTE_ENTRY`: a PV kernel's (`xen/include/public/elfnote.h`).
const ENTRY: u32 = 1;
/// `XEN_ELFNOTE_PHYS32_ENTRY`: a PVH kernel's.
const PHYS32_ENTRY: u32 = 18;
/// `XEN_ELFNOTE_SUPPORTED_FEATURES`.
const SUPPORTED_FEATURES: u32 = 17;
/// `XENFEAT_dom0`, a bit of those.
const DOM0: u32 = 1 << 11;

/// Looks at the kernel `file`, which was read from `path`. One that is packed in a way that is not unpacked here, but
/// may be by Xen, passes.
///
/// # Errors
///
/// It is no kernel, or one that cannot be dom0's.
pub fn check(path: &Path, file: &[u8]) -> Result<()> {
    if file.starts_with(b"\x7fELF") {
        return notes(file);
    }
    let image = BzImage::parse(file).context("it is no kernel")?;
    if configured(path, &image) {
        return Ok(());
    }
    let packed = image.packed().context("it is no kernel")?;
    let kernel = if packed.starts_with(&ZSTD) {
        image.unpack()?
    } else if packed.starts_with(&GZIP) {
        unpacked(GzDecoder::new(packed)).context("its kernel")?
    } else {
        return Ok(());
    };
    notes(&kernel)
}

/// Whether the configuration beside a kernel says that it can be dom0's: what GRUB's own menu goes by
/// (`/etc/grub.d/20_linux_xen`), and quicker than to unpack it.
fn configured(path: &Path, image: &BzImage<'_>) -> bool {
    let Ok(version) = image.version() else {
        return false;
    };
    let config = fs::read_to_string(path.with_file_name(format!("config-{version}")));
    config.is_ok_and(|config| config.lines().any(|line| line == "CONFIG_XEN_DOM0=y"))
}

/// Looks through the notes of an ELF file.
fn notes(kernel: &[u8]) -> Result<()> {
    let broken = "its ELF file is broken, or no 64-bit one";
    let header = FileHeader64::<Endianness>::parse(kernel)
        .ok()
        .context(broken)?;
    let endian = header.endian().ok().context(broken)?;
    let (mut pv, mut pvh, mut features) = (false, false, None);
    for program in header
        .program_headers(endian, kernel)
        .ok()
        .context(broken)?
    {
        let Some(mut notes) = program.notes(endian, kernel).ok().context(broken)? else {
            continue;
        };
        while let Some(note) = notes.next().ok().context(broken)? {
            if note.name() != b"Xen" {
                continue;
            }
            match note.n_type(endian) {
                ENTRY => pv = true,
                PHYS32_ENTRY => pvh = true,
                SUPPORTED_FEATURES => {
                    features = note
                        .desc()
                        .first_chunk()
                        .map(|word| u32::from_le_bytes(*word));
                }
                _ => {}
            }
        }
    }
    // Linux has the entry of PVH without being for Xen (CONFIG_PVH), and then nothing else.
    if !(pv || (pvh && features.is_some())) {
        bail!("it is no kernel for Xen: it was built without CONFIG_XEN");
    }
    // What says nothing of features is older than dom0 in the kernel, or not Linux.
    let dom0 = features.is_none_or(|features| features & DOM0 != 0);
    ensure!(
        dom0,
        "it is a kernel for guests: it was built without CONFIG_XEN_DOM0"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There is no configuration there.
    const NOWHERE: &str = "/nowhere/vmlinuz";

    /// An ELF file of 64 bits with one segment of notes: (type, what it says).
    fn kernel(notes: &[(u32, u32)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, says) in notes {
            body.extend([4, 4, *kind].into_iter().flat_map(u32::to_le_bytes));
            body.extend(b"Xen\0");
            body.extend(says.to_le_bytes());
        }
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
        // Entry, program headers, section headers.
        elf.extend([0, 64, 0].into_iter().flat_map(u64::to_le_bytes));
        elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
        elf.extend([4, 4].into_iter().flat_map(u32::to_le_bytes));
        let bytes = body.len() as u64;
        elf.extend(
            [120, 0, 0, bytes, bytes, 4]
                .into_iter()
                .flat_map(u64::to_le_bytes),
        );
        elf.extend(body);
        elf
    }

    fn refusal(file: &[u8]) -> String {
        format!("{:#}", check(NOWHERE.as_ref(), file).unwrap_err())
    }

    #[test]
    fn a_kernel_that_says_so_can_be_dom0() {
        let dom0 = (SUPPORTED_FEATURES, DOM0 | 1);
        for notes in [
            &[(ENTRY, 0), dom0][..],
            &[dom0, (PHYS32_ENTRY, 0)],
            &[(ENTRY, 0)],
        ] {
            check(NOWHERE.as_ref(), &kernel(notes)).unwrap();
        }
    }

    #[test]
    fn one_for_guests_cannot_and_neither_can_one_that_does_not_know_xen() {
        let guest = [(ENTRY, 0), (SUPPORTED_FEATURES, 1)];
        assert!(refusal(&kernel(&guest)).contains("for guests"));
        assert!(refusal(&kernel(&[(3, 0)])).contains("without CONFIG_XEN"));
        assert!(refusal(&kernel(&[])).contains("without CONFIG_XEN"));
        assert!(refusal(&kernel(&[(PHYS32_ENTRY, 0)])).contains("without CONFIG_XEN"));
    }

    #[test]
    fn other_files_are_no_kernels() {
        assert!(refusal(b"\x7fELF").contains("broken"));
        assert!(refusal(b"#!/bin/sh").contains("no kernel"));
        assert!(refusal(b"").contains("no kernel"));
    }
}
