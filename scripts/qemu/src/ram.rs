//! The memory of a machine, in a file that has no name and goes with this program: it can be read and
//! changed while the machine runs.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{ensure, Context, Result};
use nix::sys::memfd::{memfd_create, MFdFlags};

const FOUR_GIB: u64 = 4 << 30;

/// What a machine is built around: it decides how much memory is below 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chipset {
    /// The machine `pc`.
    I440fx,
    /// The machine `q35`.
    Q35,
}

impl Chipset {
    /// How much of so many MiB is below 4 GiB; the rest begins there. (`pc_init1` and `pc_q35_init` in
    /// QEMU's source.)
    pub fn low_mib(self, memory_mib: u64) -> u64 {
        let (most, else_low) = match self {
            Self::I440fx => (3584, 3072),
            Self::Q35 => (2816, 2048),
        };
        if memory_mib < most {
            memory_mib
        } else {
            else_low
        }
    }
}

/// All the memory of a machine.
pub struct Ram {
    file: File,
    memory_mib: u64,
    chipset: Chipset,
}

impl Ram {
    /// For a machine that has so many MiB of it.
    pub fn new(memory_mib: u64, chipset: Chipset) -> Result<Self> {
        let file = File::from(memfd_create("ram", MFdFlags::MFD_CLOEXEC)?);
        file.set_len(memory_mib << 20)?;
        Ok(Self {
            file,
            memory_mib,
            chipset,
        })
    }

    /// QEMU's arguments for it.
    pub fn qemu_args(&self) -> [String; 4] {
        let path = format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd());
        let size = self.memory_mib;
        [
            "-object".to_owned(),
            format!("memory-backend-file,id=ram,size={size}M,share=on,mem-path={path}"),
            "-machine".to_owned(),
            "memory-backend=ram".to_owned(),
        ]
    }

    /// Where in the file the byte at a machine address is.
    fn offset(&self, address: u64) -> Result<u64> {
        let low = self.chipset.low_mib(self.memory_mib) << 20;
        let offset = match address.checked_sub(FOUR_GIB) {
            Some(above) => low + above,
            None if address < low => address,
            None => u64::MAX,
        };
        ensure!(
            offset < self.memory_mib << 20,
            "there is no memory at {address:#x}"
        );
        Ok(offset)
    }

    /// The bytes at a machine address.
    pub fn read<const BYTES: usize>(&self, address: u64) -> Result<[u8; BYTES]> {
        let mut bytes = [0; BYTES];
        self.file.read_exact_at(&mut bytes, self.offset(address)?)?;
        Ok(bytes)
    }

    /// Changes one bit of the byte at a machine address.
    pub fn flip_bit(&self, address: u64, bit: u8) -> Result<()> {
        let [byte] = self.read(address)?;
        let changed = [byte ^ (1 << bit)];
        Ok(self.file.write_all_at(&changed, self.offset(address)?)?)
    }

    /// Copies its first bytes to the file `to`, which is made.
    pub fn save(&self, to: &Path, bytes: u64) -> Result<File> {
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(to);
        let mut file = file.with_context(|| to.display().to_string())?;
        let mut from = &self.file;
        from.rewind()?;
        let copied = io::copy(&mut from.take(bytes), &mut file)?;
        ensure!(copied == bytes, "{copied} of {bytes} bytes");
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_below_4_gib_is_above_it() {
        let offset = |chipset, memory_mib, address| {
            let ram = Ram::new(memory_mib, chipset).unwrap();
            ram.offset(address).ok()
        };
        use Chipset::{I440fx, Q35};
        let gib = |count: u64| count << 30;
        for (chipset, memory_mib, address, expected) in [
            (I440fx, 2048, 0, Some(0)),
            (I440fx, 2048, gib(2) - 1, Some(gib(2) - 1)),
            (I440fx, 2048, gib(2), None),
            (I440fx, 2048, gib(4), None),
            (I440fx, 6144, gib(3) - 1, Some(gib(3) - 1)),
            (I440fx, 6144, gib(3), None),
            (I440fx, 6144, gib(4), Some(gib(3))),
            (I440fx, 6144, gib(7) - 1, Some(gib(6) - 1)),
            (I440fx, 6144, gib(7), None),
            (Q35, 6144, gib(2), None),
            (Q35, 6144, gib(4), Some(gib(2))),
            (Q35, 2815, gib(2), Some(gib(2))),
        ] {
            let found = offset(chipset, memory_mib, address);
            assert_eq!(
                found, expected,
                "{chipset:?}, {memory_mib} MiB, {address:#x}"
            );
        }
    }

    #[test]
    fn a_bit_is_changed_where_the_machine_has_it() {
        let ram = Ram::new(6144, Chipset::I440fx).unwrap();
        ram.flip_bit(FOUR_GIB + 1, 3).unwrap();
        assert_eq!(ram.read(FOUR_GIB).unwrap(), [0, 8]);
        ram.flip_bit(FOUR_GIB + 1, 3).unwrap();
        assert_eq!(ram.read(FOUR_GIB).unwrap(), [0, 0]);
        assert!(ram.flip_bit(3 << 30, 0).is_err());
    }
}
