//! An image for `kexec_load(2)`: kernel, initrd, and one piece to start the kernel with.
//!
//! That piece has three pages: `boot_params`, the command line, and a few instructions that set
//! RSI to the first of them and jump to the kernel. With them the image is complete in itself, and
//! enters the kernel in the same way whoever starts it. A map of memory that is too long for
//! `boot_params` goes on behind them, in a `setup_data` (Documentation/arch/x86/boot.rst).

use anyhow::{ensure, Context, Result};
use formats::bzimage::BzImage;
use object::pod::{bytes_of, bytes_of_mut};
use rkexec_protocol::choice::Destination;

use crate::acpi;
use crate::memory::{Entry, Map};
use crate::places::{self, Places, Sizes};
use crate::sys::bindings::linux::{boot_e820_entry, boot_params, SETUP_E820_EXT};
use crate::sys::kexec::{self, Segment, ARCH_X86_64};

const PAGE: usize = 4096;
/// Lines that fit in `boot_params`.
const E820_MAX: usize = 128;
/// Pages of the piece to start with, without the rest of a long map.
const START_PAGES: usize = 3;
/// What a boot loader calls itself that has no number of its own.
const LOADER_UNDEFINED: u8 = 0xff;

const _: () = assert!(size_of::<boot_params>() == PAGE);

/// An image, complete but for the system call.
pub struct Image<'a> {
    kernel: BzImage<'a>,
    initrd: &'a [u8],
    start: Vec<u8>,
    pub places: Places,
    pub sizes: Sizes,
}

impl<'a> Image<'a> {
    /// One for a machine with this memory, somewhere in `room`.
    pub fn new(
        kernel: &'a [u8],
        initrd: &'a [u8],
        cmdline: &str,
        machine: &Map,
        (to, room): (Destination, &Map),
    ) -> Result<Self> {
        let kernel = BzImage::parse(kernel)?;
        let rest = rest_of_map(machine);
        let sizes = Sizes {
            kernel: kernel.memory().next_multiple_of(PAGE as u64),
            alignment: kernel.alignment(),
            initrd: (initrd.len() as u64).next_multiple_of(PAGE as u64),
            start: (START_PAGES * PAGE + rest.len().next_multiple_of(PAGE)) as u64,
        };
        let places = places::find(to, room, sizes)?;
        ensure!(cmdline.len() < PAGE, "the command line is too long");
        let mut start = boot_params_page(kernel, initrd.len() as u64, machine, places);
        start.extend_from_slice(cmdline.as_bytes());
        start.resize(2 * PAGE, 0);
        start.extend_from_slice(&jump(places.start, kernel.entry(places.kernel)));
        start.resize(START_PAGES * PAGE, 0);
        start.extend_from_slice(&rest);
        Ok(Self {
            kernel,
            initrd,
            start,
            places,
            sizes,
        })
    }

    pub fn load(&self) -> Result<()> {
        kexec::load(self.entry(), &self.segments(), ARCH_X86_64).context("kexec_load")
    }

    pub fn entry(&self) -> u64 {
        self.places.start + 2 * PAGE as u64
    }

    /// Its segments. The initrd first: its pages are the ones that a loader which allocates as it
    /// goes would give away again.
    pub fn segments(&self) -> Vec<Segment<'_>> {
        vec![
            Segment::new(self.initrd, self.places.initrd, self.sizes.initrd),
            Segment::new(self.kernel.payload(), self.places.kernel, self.sizes.kernel),
            Segment::new(&self.start, self.places.start, self.sizes.start),
        ]
    }
}

fn boot_params_page(
    kernel: BzImage<'_>,
    initrd_bytes: u64,
    machine: &Map,
    places: Places,
) -> Vec<u8> {
    let mut params = boot_params::default();
    let header = kernel.header();
    bytes_of_mut(&mut params.hdr)[..header.len()].copy_from_slice(header);
    params.hdr.type_of_loader = LOADER_UNDEFINED;
    params.acpi_rsdp_addr = acpi::root_pointer();
    (params.hdr.ramdisk_image, params.ext_ramdisk_image) = halves(places.initrd);
    (params.hdr.ramdisk_size, params.ext_ramdisk_size) = halves(initrd_bytes);
    (params.hdr.cmd_line_ptr, params.ext_cmd_line_ptr) = halves(places.start + PAGE as u64);
    let lines = machine.entries();
    if lines.len() > E820_MAX {
        params.hdr.setup_data = places.start + (START_PAGES * PAGE) as u64;
    }
    params.e820_entries = lines.len().min(E820_MAX) as u8;
    for (room, line) in params.e820_table.iter_mut().zip(lines) {
        *room = e820(line);
    }
    bytes_of(&params).to_vec()
}

/// The low and the high half of a number, which `boot_params` has in two places.
fn halves(number: u64) -> (u32, u32) {
    (number as u32, (number >> 32) as u32)
}

/// The lines that `boot_params` has no room for, as a `setup_data`; nothing if it has room for all.
fn rest_of_map(machine: &Map) -> Vec<u8> {
    let Some(lines @ [_, ..]) = machine.entries().get(E820_MAX..) else {
        return Vec::new();
    };
    let table = e820_table(lines);
    // `struct setup_data`: next, of which there is none; type; the length of what follows.
    let mut node = 0_u64.to_le_bytes().to_vec();
    node.extend_from_slice(&SETUP_E820_EXT.to_le_bytes());
    node.extend_from_slice(&(table.len() as u32).to_le_bytes());
    node.extend_from_slice(&table);
    node
}

fn e820_table(lines: &[Entry]) -> Vec<u8> {
    let lines = lines.iter().map(e820);
    lines.flat_map(|it| bytes_of(&it).to_vec()).collect()
}

fn e820(line: &Entry) -> boot_e820_entry {
    boot_e820_entry {
        addr: line.start,
        size: line.end - line.start,
        type_: line.kind,
    }
}

/// `mov rsi, boot_params; mov rax, entry; jmp rax`.
fn jump(boot_params: u64, entry: u64) -> Vec<u8> {
    let mut code = vec![0x48, 0xbe];
    code.extend_from_slice(&boot_params.to_le_bytes());
    code.extend_from_slice(&[0x48, 0xb8]);
    code.extend_from_slice(&entry.to_le_bytes());
    code.extend_from_slice(&[0xff, 0xe0]);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: u64) -> Map {
        let line = |number: u64| Entry {
            start: number << 13,
            end: (number << 13) + 4096,
            kind: 1,
        };
        Map::new((0..lines).map(line).collect())
    }

    #[test]
    fn what_boot_params_has_no_room_for_goes_on_behind_it() {
        assert!(rest_of_map(&map(0)).is_empty());
        assert!(rest_of_map(&map(128)).is_empty());
        let rest = rest_of_map(&map(131));
        assert_eq!(rest.len(), 16 + 3 * 20);
        assert_eq!(rest[..8], [0; 8]);
        assert_eq!(rest[8..16], [1, 0, 0, 0, 60, 0, 0, 0]);
        assert_eq!(rest[16..24], (128_u64 << 13).to_le_bytes());
        assert_eq!(rest[24..32], 4096_u64.to_le_bytes());
        assert_eq!(rest[32..36], [1, 0, 0, 0]);
    }
}
