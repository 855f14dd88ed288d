//! Linux's `struct boot_params` (the *zero page*), made fit for a kernel on the bare machine.
//!
//! `kexec_file_load` in dom0 fills it in from what dom0 sees: pseudo-physical memory, firmware by
//! courtesy of Xen, and "I am a Xen guest". The next kernel has no Xen below it. [`fix_up`] writes
//! what is true of the machine:
//!
//! - the E820 table is the machine's memory map, all of it, and so are the older fields that tell
//!   the size of memory when there is no table;
//! - a map that is too long for the table goes on in a `setup_data` node of type `SETUP_E820_EXT`;
//! - the hardware subarchitecture is the PC, not Xen;
//! - there is no EFI information, for Xen shows dom0 a system table of its own making. The address
//!   of the ACPI root table (`acpi_rsdp_addr`) is kept: it is the machine's, and without EFI it is
//!   the only way to find ACPI.
//!
//! Here are the layout and a [`View`] of it; `rewrite` has [`fix_up`], and `lockdown` what makes the next
//! kernel as careful as this one.
//!
//! The layout: `Documentation/arch/x86/zero-page.rst` and `boot.rst` (the header at 0x1f1), in C
//! `asm/bootparam.h` and `asm/setup_data.h`. A test compares the offsets with the C headers.

use core::fmt;

use super::addr::{Maddr, PAGE_SIZE};
use super::errno::Errno;
use super::memmap::MapEntry;

mod lockdown;
mod rewrite;

pub use lockdown::{lock_down, Lockdown};
pub use rewrite::{e820_ext_bytes, fix_up, E820ExtRoom};

/// Bytes in `struct boot_params`.
pub const SIZE: usize = 4096;

/// Where the fields are, in bytes from the beginning of `struct boot_params`.
pub mod offset {
    /// `screen_info.ext_mem_k`, u16: KiB of memory from 1 MiB on, at most 63 MiB.
    pub const EXT_MEM_K: usize = 0x002;
    /// `acpi_rsdp_addr`, u64: where ACPI's root pointer is.
    pub const ACPI_RSDP_ADDR: usize = 0x070;
    /// `ext_cmd_line_ptr`, u32: the upper half of the command line's address.
    pub const EXT_CMD_LINE_PTR: usize = 0x0c8;
    /// `efi_info`, 32 bytes.
    pub const EFI_INFO: usize = 0x1c0;
    /// `alt_mem_k`, u32: KiB of memory from 1 MiB on.
    pub const ALT_MEM_K: usize = 0x1e0;
    /// `e820_entries`, u8: how many entries of the table are valid.
    pub const E820_ENTRIES: usize = 0x1e8;
    /// `hdr.boot_flag`, u16.
    pub const BOOT_FLAG: usize = 0x1fe;
    /// `hdr.header`, u32: the magic number.
    pub const HEADER: usize = 0x202;
    /// `hdr.version`, u16: of the boot protocol, major and minor number in a byte each.
    pub const VERSION: usize = 0x206;
    /// `hdr.cmd_line_ptr`, u32: the lower half of the command line's address.
    pub const CMD_LINE_PTR: usize = 0x228;
    /// `hdr.kernel_alignment`, u32: what the address is a multiple of that the kernel runs at.
    pub const KERNEL_ALIGNMENT: usize = 0x230;
    /// `hdr.cmdline_size`, u32: how long a command line the kernel takes, without the zero.
    pub const CMDLINE_SIZE: usize = 0x238;
    /// `hdr.hardware_subarch`, u32.
    pub const HARDWARE_SUBARCH: usize = 0x23c;
    /// `hdr.hardware_subarch_data`, u64.
    pub const HARDWARE_SUBARCH_DATA: usize = 0x240;
    /// `hdr.setup_data`, u64: the address of the first `struct setup_data`, or 0.
    pub const SETUP_DATA: usize = 0x250;
    /// `e820_table`.
    pub const E820_TABLE: usize = 0x2d0;
}

/// Bytes in `efi_info`.
pub const EFI_INFO_BYTES: usize = 32;
/// Bytes in an entry of the table: address and size, u64 each, and type, u32.
pub const E820_ENTRY_BYTES: usize = 20;
/// Entries in the table (`E820_MAX_ENTRIES_ZEROPAGE`).
pub const E820_TABLE_ENTRIES: usize = 128;
/// Bytes of `struct setup_data` before its data: next, u64; type and length, u32 each.
pub const SETUP_DATA_BYTES: usize = 16;
/// The type of a `setup_data` with more E820 entries.
pub const SETUP_E820_EXT: u32 = 1;
/// The longest `setup_data`: the kernel maps it as a whole, with 64 pages at most
/// (`NR_FIX_BTMAPS`, `asm/fixmap.h`), of which one may go to waste if it is not aligned.
pub const SETUP_DATA_MAX_BYTES: usize = 63 * PAGE_SIZE as usize;

const BOOT_FLAG: u16 = 0xaa55;
const HEADER: u32 = u32::from_le_bytes(*b"HdrS");
/// 2.12, the first with a 64-bit entry point above 4 GiB. Linux's own loader wants it, too.
const VERSION: u16 = 0x020c;

// All fields are inside the page: the accessors below never miss.
const _: () = {
    assert!(offset::E820_TABLE + E820_TABLE_ENTRIES * E820_ENTRY_BYTES <= SIZE);
    assert!(offset::SETUP_DATA + 8 <= offset::E820_TABLE);
    assert!(offset::EFI_INFO + EFI_INFO_BYTES == offset::ALT_MEM_K);
    assert!(E820_TABLE_ENTRIES <= u8::MAX as usize);
};

/// Why boot parameters are left as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootParamsError {
    /// They are shorter than [`SIZE`].
    TooShort {
        /// Their length in bytes.
        len_bytes: usize,
    },
    /// They have no boot sector's signature.
    NoBootFlag {
        /// What is there instead.
        found: u16,
    },
    /// They have no Linux header.
    NoHeader {
        /// What is there instead.
        found: u32,
    },
    /// The kernel is too old.
    OldProtocol {
        /// The version of its boot protocol.
        version: u16,
    },
    /// The machine's memory map is empty.
    EmptyMap,
    /// The map has more entries than the boot parameters can pass on.
    MapTooLong {
        /// How many it has.
        entries: usize,
        /// How many could be passed on.
        limit: usize,
    },
    /// There is no command line behind the boot parameters.
    NoCommandLine,
    /// It has no room for what locks the kernel down.
    NoRoomForLockdown,
    /// The room for more entries is at address 0 or past the end of the physical address space.
    E820ExtAddress {
        /// Where it is.
        at: Maddr,
    },
}

impl BootParamsError {
    /// The error number of the system call.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::TooShort { .. }
            | Self::NoBootFlag { .. }
            | Self::NoHeader { .. }
            | Self::OldProtocol { .. }
            | Self::NoCommandLine => Errno::NotExecutable,
            Self::EmptyMap | Self::E820ExtAddress { .. } => Errno::Invalid,
            Self::MapTooLong { .. } | Self::NoRoomForLockdown => Errno::TooBig,
        }
    }
}

impl fmt::Display for BootParamsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len_bytes } => {
                write!(f, "boot parameters of {len_bytes} bytes, {SIZE} expected")
            }
            Self::NoBootFlag { found } => {
                write!(
                    f,
                    "boot flag {found:#06x} in the boot parameters, {BOOT_FLAG:#06x} expected"
                )
            }
            Self::NoHeader { found } => {
                write!(
                    f,
                    "header {found:#010x} in the boot parameters, {HEADER:#010x} expected"
                )
            }
            Self::OldProtocol { version } => {
                let [minor, major] = version.to_le_bytes();
                write!(
                    f,
                    "the kernel speaks boot protocol {major}.{minor:02}, 2.12 is needed"
                )
            }
            Self::EmptyMap => f.write_str("the machine's memory map is empty"),
            Self::MapTooLong { entries, limit } => write!(
                f,
                "the machine's memory map has {entries} entries, {limit} can be passed on"
            ),
            Self::NoCommandLine => f.write_str("no command line behind the boot parameters"),
            Self::NoRoomForLockdown => f.write_str(
                "the command line is too long to add lockdown=, which this kernel has and must hand on",
            ),
            Self::E820ExtAddress { at } => {
                write!(f, "no room for the rest of the memory map at {at}")
            }
        }
    }
}

/// Boot parameters to read.
#[derive(Clone, Copy, Debug)]
pub struct View<'a>(&'a [u8; SIZE]);

impl<'a> View<'a> {
    /// The boot parameters at the beginning of `bytes`, which may be longer.
    ///
    /// # Errors
    ///
    /// One of the first four: these are not boot parameters for a kernel that can be started.
    pub fn new(bytes: &'a [u8]) -> Result<Self, BootParamsError> {
        let view = Self(bytes.first_chunk().ok_or(BootParamsError::TooShort {
            len_bytes: bytes.len(),
        })?);
        let found = u16::from_le_bytes(view.get(offset::BOOT_FLAG));
        if found != BOOT_FLAG {
            return Err(BootParamsError::NoBootFlag { found });
        }
        let found = u32::from_le_bytes(view.get(offset::HEADER));
        if found != HEADER {
            return Err(BootParamsError::NoHeader { found });
        }
        let version = u16::from_le_bytes(view.get(offset::VERSION));
        if version < VERSION {
            return Err(BootParamsError::OldProtocol { version });
        }
        Ok(view)
    }

    /// The entries of the table, without those in `setup_data`.
    pub fn e820(&self) -> impl Iterator<Item = MapEntry> + 'a {
        let [entries] = self.get(offset::E820_ENTRIES);
        let table = self.0.get(offset::E820_TABLE..).unwrap_or_default();
        table
            .chunks_exact(E820_ENTRY_BYTES)
            .take(E820_TABLE_ENTRIES)
            .take(usize::from(entries))
            .map(|entry| MapEntry {
                start: u64::from_le_bytes(get(entry, 0)),
                len_bytes: u64::from_le_bytes(get(entry, 8)),
                kind_raw: u32::from_le_bytes(get(entry, 16)),
            })
    }

    /// The address of the first `setup_data`, or 0.
    pub fn setup_data(&self) -> u64 {
        u64::from_le_bytes(self.get(offset::SETUP_DATA))
    }

    /// The address of the command line.
    pub fn command_line(&self) -> u64 {
        let low = u32::from_le_bytes(self.get(offset::CMD_LINE_PTR));
        let high = u32::from_le_bytes(self.get(offset::EXT_CMD_LINE_PTR));
        (u64::from(high) << 32) | u64::from(low)
    }

    /// The kernel runs at a multiple of so many bytes: at the next one, if it is loaded at another address.
    pub fn kernel_alignment(&self) -> u64 {
        u32::from_le_bytes(self.get(offset::KERNEL_ALIGNMENT)).into()
    }

    /// The hardware subarchitecture and its data; 0 is the PC.
    pub fn hardware_subarch(&self) -> (u32, u64) {
        (
            u32::from_le_bytes(self.get(offset::HARDWARE_SUBARCH)),
            u64::from_le_bytes(self.get(offset::HARDWARE_SUBARCH_DATA)),
        )
    }

    /// The EFI information, as it is.
    pub fn efi_info(&self) -> [u8; EFI_INFO_BYTES] {
        self.get(offset::EFI_INFO)
    }

    /// Where ACPI's root pointer is, or 0.
    pub fn acpi_rsdp_addr(&self) -> u64 {
        u64::from_le_bytes(self.get(offset::ACPI_RSDP_ADDR))
    }

    /// KiB of memory from 1 MiB on: `alt_mem_k` and `ext_mem_k`.
    pub fn memory_size_kib(&self) -> (u32, u16) {
        (
            u32::from_le_bytes(self.get(offset::ALT_MEM_K)),
            u16::from_le_bytes(self.get(offset::EXT_MEM_K)),
        )
    }

    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        get(self.0, at)
    }
}

/// The `N` bytes at `at`; zeros if they are not there, which the callers rule out.
fn get<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let value = bytes.get(at..).and_then(|rest| rest.first_chunk());
    value.copied().unwrap_or([0; N])
}
