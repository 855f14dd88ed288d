//! The files of a build of Xen: as the build root has them, or as a user brings them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use flate2::read::GzDecoder;
use fs_err as fs;
use qemu::Vm;
use rkexec::xen_abi::Version;

use crate::xen_build::parse_version;

#[derive(Clone, Debug)]
pub struct XenFiles {
    /// As an ELF file: what QEMU's multiboot loader takes.
    pub elf: PathBuf,
    /// As a program for UEFI.
    pub efi: Option<PathBuf>,
    pub version: Version,
}

impl XenFiles {
    /// The build in the directory `place`: `xen.gz`, `xen.efi`, and its `version`. The file `elf` is
    /// made of the first.
    pub fn in_place(place: &Path, elf: PathBuf) -> Result<Self> {
        unpack(&place.join("xen.gz"), &elf)?;
        let version = place.join("version");
        let text = fs::read_to_string(&version)?;
        Ok(Self {
            elf,
            efi: Some(place.join("xen.efi")),
            version: parse_version(&text).with_context(|| version.display().to_string())?,
        })
    }

    /// The build that somebody else has made, with its `xen.efi` beside `file`, or without. The file
    /// `elf` is made of it.
    pub fn given(file: &Path, elf: PathBuf) -> Result<Self> {
        unpack(file, &elf)?;
        let version = ask_version(&elf).with_context(|| file.display().to_string())?;
        eprintln!("vm: {} is Xen {version}", file.display());
        let efi = file.with_file_name("xen.efi");
        Ok(Self {
            elf,
            efi: efi.exists().then_some(efi),
            version,
        })
    }
}

/// What a Xen says of its version. It is nowhere in the file as a text; but a Xen that is started
/// without anything to run says it, before it complains.
fn ask_version(elf: &Path) -> Result<Version> {
    /// It takes seconds.
    const PATIENCE: Duration = Duration::from_secs(120);
    let file = elf.display().to_string();
    #[rustfmt::skip]
    let args = [
        "-accel", "tcg", "-cpu", "max", "-m", "512M", "-append", "console=com1 com1=115200,8n1",
        "-kernel", &file,
    ];
    let log = elf.with_extension("log");
    let mut vm = Vm::start(&args, &log)?;
    vm.expire_after(PATIENCE);
    while let Some(line) = vm.next_line()? {
        if let Some(version) = version_in(&line) {
            return Ok(version);
        }
    }
    bail!("it does not start as a Xen; its log is {}", log.display())
}

/// The version in the line in which Xen says it.
fn version_in(line: &str) -> Option<Version> {
    let (_, version) = line.split_once("Xen version ")?;
    parse_version(version).ok()
}

/// Copies `from`, unpacked if it was gzipped.
fn unpack(from: &Path, to: &Path) -> Result<()> {
    let name = || from.display().to_string();
    let mut data = fs::read(from)?;
    if data.starts_with(&[0x1f, 0x8b]) {
        let packed = std::mem::take(&mut data);
        let unpacked = GzDecoder::new(&*packed).read_to_end(&mut data);
        unpacked.with_context(name)?;
    }
    ensure!(!data.is_empty(), "{} is empty", name());
    Ok(fs::write(to, data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xen_tells_its_version_in_one_of_its_lines() {
        let said = |line| version_in(line).map(|it| it.to_string());
        let line =
            "(XEN) Xen version 4.23-unstable (root@) (gcc (Debian 14.2.0-19) 14.2.0) debug=n";
        assert_eq!(said(line).as_deref(), Some("4.23"));
        assert_eq!(said("(XEN) Xen version unknown"), None);
        assert_eq!(said(" Xen 4.23-unstable"), None);
    }
}
