//! The disk that a dom0 with UEFI starts from: a directory, of which QEMU makes a FAT file system.
//!
//! xen.efi reads its options and the files' names from a text file beside it
//! (docs/misc/efi.pandoc in Xen's source). The firmware starts it, or GRUB does ([`crate::grub`]).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use crate::grub::Grub;

/// What UEFI looks for in `EFI/BOOT` on a disk that it knows nothing about.
const FIRST: &str = "BOOTX64.EFI";

/// What is on it.
pub struct Esp<'a> {
    /// What comes before Xen, if anything.
    pub grub: Option<Grub<'a>>,
    /// `xen.efi`.
    pub xen: &'a Path,
    /// Its options.
    pub options: &'a str,
    /// dom0's kernel.
    pub kernel: &'a Path,
    /// And its command line.
    pub words: &'a str,
    /// And its initramfs.
    pub initramfs: &'a Path,
}

impl Esp<'_> {
    /// Makes the directory `dir` new; the files in it are links.
    pub fn write(&self, dir: &Path) -> Result<()> {
        if dir.exists() {
            fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
        }
        let boot = dir.join("EFI/BOOT");
        fs::create_dir_all(&boot).with_context(|| boot.display().to_string())?;
        let mut files = vec![(self.kernel, "KERNEL"), (self.initramfs, "INITRD")];
        if let Some(grub) = &self.grub {
            files.extend([(grub.program, FIRST), (self.xen, "XEN.EFI")]);
            grub.configure(dir, "/EFI/BOOT/XEN.EFI")?;
        } else {
            files.push((self.xen, FIRST));
        }
        for (file, name) in files {
            let file = file
                .canonicalize()
                .with_context(|| file.display().to_string())?;
            symlink(file, boot.join(name)).with_context(|| name.to_owned())?;
        }
        // Xen looks for a name like its own.
        let name = if self.grub.is_some() {
            "XEN.CFG"
        } else {
            "BOOTX64.CFG"
        };
        fs::write(boot.join(name), self.config()).context(name)
    }

    fn config(&self) -> String {
        format!(
            "[global]\ndefault=dom0\n[dom0]\noptions={}\nkernel=KERNEL {}\nramdisk=INITRD\n",
            self.options, self.words
        )
    }
}
