//! The disk that a dom0 with UEFI starts from: a directory, of which QEMU makes a FAT file system.
//!
//! xen.efi reads its options and the files' names from a text file beside it
//! (docs/misc/efi.pandoc in Xen's source). The firmware starts it, or GRUB does, to make a memory map of
//! very many entries. A BIOS tells Xen of 128 entries at most, so such a map can only come from UEFI; and
//! the firmware's own map gets longer when somebody takes single pages for good before Xen asks for it.
//! That is what GRUB's `cutmem` does: the pages are unusable memory from then on, for Xen and for all
//! kernels. Or GRUB starts Xen itself, by multiboot2, as it does on a host: there Xen leaves more of the firmware
//! to GRUB, and has other tables from it.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use crate::inputs::asset;

const PAGE: u64 = 4096;
/// The one that Debian installs.
const HOSTS_XEN: &str = "/boot/xen-4.20-amd64.gz";

/// Single pages, at equal distances. Each parts the memory where it is: two entries more. Xen itself
/// can have about 256 ranges of RAM while it boots, and dies of more (`bootmem_region_add`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holes {
    /// The address of the first.
    pub first: u64,
    /// From one to the next, in bytes.
    pub distance: u64,
    pub count: u64,
}

impl Holes {
    /// What GRUB is told: to make them, and then to start the program `next`.
    fn commands(self, next: &str) -> String {
        let starts = (0..self.count).map(|number| self.first + number * self.distance);
        let cuts = starts.map(|start| format!("cutmem {start:#x} {:#x}\n", start + PAGE));
        format!("{}chainloader {next}\nboot\n", cuts.collect::<String>())
    }
}

/// What GRUB does, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grub {
    /// It takes these out of the memory, and starts xen.efi.
    Holes(Holes),
    /// It starts the Xen that is on the disk of a Debian host (`scripts/dom0-disk`), with the kernel of this release
    /// there.
    Host,
}

/// What is on it.
pub struct Esp<'a> {
    pub grub: Option<Grub>,
    /// The release of the kernel.
    pub release: &'a str,
    pub xen: &'a Path,
    pub options: &'a str,
    pub kernel: &'a Path,
    pub words: &'a str,
    pub initramfs: &'a Path,
}

impl Esp<'_> {
    /// As grub-mkconfig would have it. This GRUB has not all its modules in it: the disk has the others.
    fn host_commands(&self) -> String {
        let Self {
            release,
            options,
            words,
            ..
        } = self;
        format!(
            "search --set=root --file {HOSTS_XEN}\n\
            set prefix=($root)/usr/lib/grub\n\
            insmod multiboot2\n\
            multiboot2 {HOSTS_XEN} placeholder {options} no-real-mode edd=off\n\
            module2 /boot/vmlinuz-{release} placeholder {words}\n\
            module2 --nounzip /boot/initrd.img-{release}\n\
            boot\n"
        )
    }

    /// Makes the directory `dir` new; the programs in it are links.
    pub fn write(&self, dir: &Path) -> Result<()> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        let boot = dir.join("EFI/BOOT");
        fs::create_dir_all(&boot)?;
        let link = |file: &Path, name: &str| {
            let file = file.canonicalize();
            let linked = file.and_then(|file| symlink(file, boot.join(name)));
            linked.with_context(|| format!("{name} for UEFI"))
        };
        // UEFI looks for this name on a disk that it knows nothing about.
        let mut xen = "BOOTX64";
        if let Some(grub) = self.grub {
            link(&asset("grub.efi"), "BOOTX64.EFI")?;
            xen = "XEN";
            // Where Debian's GRUB looks for what to do.
            fs::create_dir_all(dir.join("EFI/debian"))?;
            let commands = match grub {
                Grub::Holes(holes) => holes.commands("/EFI/BOOT/XEN.EFI"),
                Grub::Host => self.host_commands(),
            };
            fs::write(dir.join("EFI/debian/grub.cfg"), commands)?;
        }
        link(self.xen, &format!("{xen}.EFI"))?;
        link(self.kernel, "KERNEL")?;
        link(self.initramfs, "INITRD")?;
        let Self { options, words, .. } = self;
        let config = format!(
            "[global]\ndefault=dom0\n[dom0]\noptions={options}\nkernel=KERNEL {words}\nramdisk=INITRD\n"
        );
        // Xen looks for a name like its own.
        Ok(fs::write(boot.join(format!("{xen}.CFG")), config)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hole_is_a_page_and_then_comes_the_next_program() {
        let holes = Holes {
            first: 0x10_0000,
            distance: 0x2000,
            count: 2,
        };
        assert_eq!(
            holes.commands("/X.EFI"),
            "cutmem 0x100000 0x101000\ncutmem 0x102000 0x103000\nchainloader /X.EFI\nboot\n"
        );
    }
}
