//! What has to be known of the machine, whether Xen is running on it or not.

use std::fs;
use std::path::Path;

use anyhow::{ensure, Context, Result};
use rkexec::memmap::MapEntry;
use rkexec::range::MaRange;

use crate::grub::Platform;
use crate::hypercall::Xen;
use crate::memory::Memory;
use crate::screen::{self, Framebuffer};

/// The machine.
pub struct Machine {
    pub memory: Memory,
    /// What runs on it now.
    pub host: Host,
    pub firmware: Firmware,
    pub framebuffer: Option<Framebuffer>,
}

/// What runs on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Linux alone.
    Linux,
    /// Xen, whose own code is there.
    Xen(MaRange),
}

/// What the machine was started by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    Bios,
    /// With the address of ACPI's root pointer, the machine's.
    Uefi {
        root_pointer: u64,
    },
}

impl Firmware {
    /// What GRUB runs on there.
    pub fn platform(self) -> Platform {
        match self {
            Self::Bios => Platform::Pc,
            Self::Uefi { .. } => Platform::Efi,
        }
    }
}

impl Machine {
    /// # Errors
    ///
    /// This is no dom0 and no bare machine, or nobody tells its memory map.
    pub fn find() -> Result<Self> {
        let (host, entries) = match fs::read_to_string("/sys/hypervisor/type") {
            Ok(kind) if kind.trim() == "xen" => {
                ensure!(
                    is_dom0()?,
                    "this is a guest of Xen's: only a dom0 can restart its host"
                );
                let mut xen = Xen::open()?;
                (Host::Xen(xen.own_range()?), xen.memory_map()?)
            }
            _ => (
                Host::Linux,
                firmware_map(Path::new("/sys/firmware/memmap"))?,
            ),
        };
        Ok(Self {
            memory: Memory::new(entries),
            host,
            firmware: firmware()?,
            framebuffer: screen::framebuffer(),
        })
    }
}

/// Whether Xen says so: the features that it has for this domain, as one hexadecimal number.
fn is_dom0() -> Result<bool> {
    /// A bit of those (`xen/include/public/features.h`).
    const XENFEAT_DOM0: u32 = 11;

    let path = "/sys/hypervisor/properties/features";
    let text = fs::read_to_string(path).context(path)?;
    let features = u128::from_str_radix(text.trim(), 16).context(path)?;
    Ok((features >> XENFEAT_DOM0) & 1 == 1)
}

/// The memory map as the firmware told it to Linux (Documentation/ABI/testing/sysfs-firmware-memmap).
fn firmware_map(folder: &Path) -> Result<Vec<MapEntry>> {
    let mut entries = Vec::new();
    let list = fs::read_dir(folder).with_context(|| folder.display().to_string());
    for entry in list.context("the kernel does not tell the machine's memory map")? {
        let path = entry?.path();
        let field = |name| {
            let path = path.join(name);
            fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let address = |name| {
            let text = field(name)?;
            u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).context(text)
        };
        let (start, end) = (address("start")?, address("end")?);
        entries.push(MapEntry {
            start,
            len_bytes: end.saturating_sub(start).saturating_add(1),
            kind_raw: kind(field("type")?.trim()),
        });
    }
    Ok(entries)
}

/// The number of a type of memory (`e820_type_to_string()`, `arch/x86/kernel/e820.c`). What is not known is reserved.
fn kind(text: &str) -> u32 {
    match text {
        "System RAM" => 1,
        "ACPI Tables" => 3,
        "ACPI Non-volatile Storage" => 4,
        "Unusable memory" => 5,
        "Persistent Memory" => 7,
        _ => 2,
    }
}

/// What the machine was started by. Linux knows it from UEFI's system table, or, where Xen was started by this program
/// before, from its command line ([`crate::start`] puts it there), or from who started it by a kexec.
fn firmware() -> Result<Firmware> {
    let command_line = fs::read_to_string("/proc/cmdline").context("/proc/cmdline")?;
    if let Some(root_pointer) = told(&command_line) {
        return Ok(Firmware::Uefi { root_pointer });
    }
    if !Path::new("/sys/firmware/efi").exists() {
        let parameters = fs::read(BOOT_PARAMS).unwrap_or_default();
        return Ok(of_boot_params(&parameters));
    }
    let path = "/sys/firmware/efi/systab";
    let table = fs::read_to_string(path).context(path)?;
    let root_pointer = ["ACPI20=", "ACPI="].iter().find_map(|name| {
        let value = table.lines().find_map(|line| line.strip_prefix(name))?;
        address(value)
    });
    let root_pointer = root_pointer.context(
        "UEFI has not told the kernel where ACPI's root pointer is, and Xen would not find it",
    )?;
    Ok(Firmware::Uefi { root_pointer })
}

/// Where the kernel says what it was booted with (`struct boot_params`).
pub const BOOT_PARAMS: &str = "/sys/kernel/boot_params/data";

/// What a kernel without UEFI was started by: a kexec on a machine with UEFI tells it nothing but where ACPI's root
/// pointer is (`acpi_rsdp_addr`). A BIOS's is in the first MiB, where Xen finds it, too.
pub fn of_boot_params(parameters: &[u8]) -> Firmware {
    const ACPI_RSDP_ADDR: usize = 0x70;
    const ONE_MIB: u64 = 1 << 20;

    let field = parameters
        .get(ACPI_RSDP_ADDR..)
        .and_then(<[u8]>::first_chunk);
    match field.map(|bytes| u64::from_le_bytes(*bytes)) {
        Some(root_pointer @ ONE_MIB..) => Firmware::Uefi { root_pointer },
        _ => Firmware::Bios,
    }
}

/// The last `acpi_rsdp=` of a command line.
pub fn told(command_line: &str) -> Option<u64> {
    let words = command_line.split_ascii_whitespace().rev();
    let mut values = words.filter_map(|word| word.strip_prefix("acpi_rsdp="));
    address(values.next()?)
}

fn address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().trim_start_matches("0x"), 16)
        .ok()
        .filter(|&address| address != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_uefi_a_root_pointer_beyond_the_first_mib_is_not_a_bioss() {
        let firmware = |root_pointer: u64| {
            let mut parameters = vec![0; 4096];
            parameters[0x70..0x78].copy_from_slice(&root_pointer.to_le_bytes());
            of_boot_params(&parameters)
        };
        let root_pointer = 0x7f77_e014;
        assert_eq!(firmware(root_pointer), Firmware::Uefi { root_pointer });
        assert_eq!(firmware(0xf_52a0), Firmware::Bios);
        assert_eq!(firmware(0), Firmware::Bios);
        assert_eq!(of_boot_params(&[]), Firmware::Bios);
    }

    #[test]
    fn the_root_pointer_is_the_last_one_that_was_told() {
        assert_eq!(
            told("ro acpi_rsdp=0x1 quiet acpi_rsdp=0x7f77e014"),
            Some(0x7f77_e014)
        );
        assert_eq!(told("ro quiet acpi=off"), None);
    }
}
