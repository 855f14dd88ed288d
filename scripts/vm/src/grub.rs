//! GRUB before Xen, to make a memory map of very many entries.
//!
//! A BIOS tells Xen of 128 entries at most, so such a map can only come from UEFI; and the firmware's
//! own map gets longer when somebody takes single pages for good before Xen asks for it. That is what
//! GRUB's `cutmem` does: the pages are unusable memory from then on, for Xen and for all kernels.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where Debian's GRUB looks for what to do.
const CONFIG: &str = "EFI/debian/grub.cfg";
const PAGE: u64 = 4096;

/// Single pages, at equal distances. Each parts the memory where it is: two entries more. Xen itself
/// can have about 256 ranges of RAM while it boots, and dies of more (`bootmem_region_add`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holes {
    /// The address of the first.
    pub first: u64,
    /// From one to the next, in bytes.
    pub distance: u64,
    /// How many.
    pub count: u64,
}

/// GRUB, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Grub<'a> {
    /// Its program.
    pub program: &'a Path,
    /// What it takes out of the memory.
    pub holes: Holes,
}

impl Grub<'_> {
    /// Writes down for it, on the disk that is made of `dir`, to make the holes and then to start the
    /// program `next`.
    pub fn configure(&self, dir: &Path, next: &str) -> Result<()> {
        let file = dir.join(CONFIG);
        let name = || file.display().to_string();
        fs::create_dir_all(file.parent().unwrap_or(dir)).with_context(name)?;
        fs::write(&file, self.commands(next)).with_context(name)
    }

    fn commands(&self, next: &str) -> String {
        let mut text = String::new();
        for number in 0..self.holes.count {
            let start = self.holes.first + number * self.holes.distance;
            let end = start + PAGE;
            let _ = writeln!(text, "cutmem {start:#x} {end:#x}");
        }
        let _ = writeln!(text, "chainloader {next}\nboot");
        text
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
        let grub = Grub {
            program: Path::new("/grub"),
            holes,
        };
        assert_eq!(
            grub.commands("/X.EFI"),
            "cutmem 0x100000 0x101000\ncutmem 0x102000 0x103000\nchainloader /X.EFI\nboot\n"
        );
    }
}
