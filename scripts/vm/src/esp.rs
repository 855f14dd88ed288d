//! The disk that a dom0 with UEFI starts from: a directory, of which QEMU makes a FAT file system.
//!
//! xen.efi reads its options and the files' names from a text file beside it
//! (docs/misc/efi.pandoc in Xen's source).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

/// What is on it.
pub struct Esp<'a> {
    /// `xen.efi`, which the firmware starts.
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
    ///
    /// # Errors
    ///
    /// A file is missing, or cannot be made.
    pub fn write(&self, dir: &Path) -> Result<()> {
        if dir.exists() {
            fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
        }
        // Where UEFI looks on a disk that it knows nothing about.
        let boot = dir.join("EFI/BOOT");
        fs::create_dir_all(&boot).with_context(|| boot.display().to_string())?;
        for (file, name) in [
            (self.xen, "BOOTX64.EFI"),
            (self.kernel, "KERNEL"),
            (self.initramfs, "INITRD"),
        ] {
            let file = file
                .canonicalize()
                .with_context(|| file.display().to_string())?;
            symlink(file, boot.join(name)).with_context(|| name.to_owned())?;
        }
        fs::write(boot.join("BOOTX64.CFG"), self.config()).context("BOOTX64.CFG")
    }

    fn config(&self) -> String {
        format!(
            "[global]\ndefault=dom0\n[dom0]\noptions={}\nkernel=KERNEL {}\nramdisk=INITRD\n",
            self.options, self.words
        )
    }
}
