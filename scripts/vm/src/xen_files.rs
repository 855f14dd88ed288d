//! The files of a build of Xen: as the build root has them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};
use flate2::read::GzDecoder;
use rkexec_pure::pure::xen_abi::Version;

use crate::xen_build::parse_version;

/// A build of Xen.
#[derive(Clone, Debug)]
pub struct XenFiles {
    /// As an ELF file: what QEMU's multiboot loader takes.
    pub elf: PathBuf,
    /// As a program for UEFI.
    pub efi: PathBuf,
    /// Its version.
    pub version: Version,
}

impl XenFiles {
    /// The build in the directory `place`: `xen.gz`, `xen.efi`, and its `version`. The file `elf` is
    /// made of the first.
    ///
    /// # Errors
    ///
    /// A file is missing, or cannot be written.
    pub fn in_place(place: &Path, elf: PathBuf) -> Result<Self> {
        unpack(&place.join("xen.gz"), &elf)?;
        let version = place.join("version");
        let name = || version.display().to_string();
        let text = fs::read_to_string(&version).with_context(name)?;
        Ok(Self {
            elf,
            efi: place.join("xen.efi"),
            version: parse_version(&text).with_context(name)?,
        })
    }
}

/// Copies `from`, unpacked if it was gzipped.
fn unpack(from: &Path, to: &Path) -> Result<()> {
    let name = || from.display().to_string();
    let mut packed = Vec::new();
    File::open(from)
        .and_then(|mut file| file.read_to_end(&mut packed))
        .with_context(name)?;
    if packed.starts_with(&[0x1f, 0x8b]) {
        io::copy(&mut GzDecoder::new(&*packed), &mut File::create(to)?).with_context(name)?;
    } else {
        fs::write(to, &packed).with_context(|| to.display().to_string())?;
    }
    ensure!(fs::metadata(to)?.len() > 0, "{} is empty", name());
    Ok(())
}
