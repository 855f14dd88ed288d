//! Where the tables of ACPI are: what a kernel finds that begins at the root pointer.
//!
//! Memory maps call that memory ACPI's, as a rule. Some firmware calls it reserved (SeaBIOS does), and
//! then nobody can tell it from a device but by walking the tables. Kernels before 5.10 walk them
//! before they can handle a page fault (`arch/x86/boot/compressed/acpi.c`), so they have to be in the
//! map that such a kernel is entered with.
//!
//! ```text
//!   root pointer (RSDP) -+-> RSDT, 32-bit addresses
//!                        `-> XSDT, 64-bit addresses -> FACP, APIC, SRAT, ...
//!                                                       `-> FACS, DSDT
//! ```
//!
//! The kernel that runs goes through the XSDT, or where there is none, or where it shall not (`acpi=rsdt`),
//! through the RSDT, and so does this: addresses that the kernel has not looked at are not looked at
//! here either, for they may be those of a device, or nobody's. So the other root table is not found. Old
//! kernels read the same one as this, unless only one of the two has `acpi=rsdt`.
//!
//! Nothing in a table is trusted. One whose header makes no sense is left out, and so is what it leads
//! to.
//!
//! ACPI specification 6.5, 5.2.5 (RSDP), 5.2.6 (headers), 5.2.7 and 5.2.8 (root tables), 5.2.9 (FADT),
//! 5.2.10 (FACS). All addresses are machine addresses, in bytes.

use super::addr::{Maddr, PAGE_SIZE};
use super::range::MaRange;

/// Memory as the firmware left it.
pub trait Memory {
    /// Copies the bytes from `at` on to all of `to`. False if there is no such memory.
    fn read(&self, at: Maddr, to: &mut [u8]) -> bool;
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Tables, not counting the root pointer.
    pub tables: usize,
    /// Tables that are left out: their headers make no sense, or cannot be read.
    pub left_out: usize,
}

/// The pages that tables are in, each page once.
#[derive(Clone, Copy, Debug)]
pub struct TablePages {
    list: [MaRange; Self::MOST],
    used: usize,
}

impl TablePages {
    /// The most pieces that do not touch each other. Firmware has its tables in a few.
    pub const MOST: usize = 64;

    /// None yet.
    pub const fn new() -> Self {
        Self {
            list: [MaRange::empty_at(Maddr::ZERO); Self::MOST],
            used: 0,
        }
    }

    /// Adds the pages of a table. False if there is no room for another piece.
    pub fn add(&mut self, table: MaRange) -> bool {
        let pages = table.round_out(PAGE_SIZE);
        let (mut start, mut end) = (pages.start(), pages.end());
        // What touches the new piece becomes a part of it. The others do not touch that.
        let mut kept: usize = 0;
        for index in 0..self.used {
            let Some(&piece) = self.list.get(index) else {
                break;
            };
            if piece.start() <= end && start <= piece.end() {
                (start, end) = (start.min(piece.start()), end.max(piece.end()));
            } else if let Some(place) = self.list.get_mut(kept) {
                *place = piece;
                kept = kept.saturating_add(1);
            }
        }
        self.used = kept;
        match (self.list.get_mut(kept), MaRange::new(start, end)) {
            (Some(place), Some(piece)) => {
                *place = piece;
                self.used = kept.saturating_add(1);
                true
            }
            _ => false,
        }
    }

    /// The pieces, in no order.
    pub fn as_slice(&self) -> &[MaRange] {
        self.list.get(..self.used).unwrap_or_default()
    }
}

impl Default for TablePages {
    fn default() -> Self {
        Self::new()
    }
}

/// The legacy BIOS area, in which a root pointer is looked for that nobody tells of; it is at a
/// multiple of 16 bytes.
const BIOS: core::ops::Range<u64> = 0xe_0000..0x10_0000;
const SCAN_STEP: u64 = 16;
/// Where the BIOS says in which segment its extended data area is (EBDA), in whose beginning a root
/// pointer is looked for first; and where that can be.
const EBDA_SEGMENT_AT: u64 = 0x40e;
const EBDA: core::ops::Range<u64> = 0x401..0xa_0000;
const EBDA_SCANNED_BYTES: u64 = 1024;

/// Bytes of a root pointer, and those of them that ACPI 1.0 had.
const RSDP_BYTES: usize = 36;
const RSDP_V1_BYTES: usize = 20;
/// Bytes of a table's header: signature, 4, and length, 4, and more.
const HEADER_BYTES: u64 = 36;
/// Bytes of a FACS, the shortest that a table can be: it has no header but signature and length.
const FACS_BYTES: u64 = 64;
/// The longest table that is believed. Real ones have some 100 KiB.
const MAX_TABLE_BYTES: u64 = 16 << 20;
/// The most tables that a root table is believed to list. Real ones list some 30.
const MAX_TABLES: u64 = 512;

/// Where the FADT has the addresses of other tables: 32 bits wide, then 64 bits wide.
const FADT_FACS: (u64, u64) = (36, 132);
const FADT_DSDT: (u64, u64) = (40, 140);

/// The root tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootTable {
    /// The XSDT where there is one.
    Newest,
    /// The RSDT, whatever else there is.
    Rsdt,
}

/// What a root pointer leads to.
struct Root {
    rsdt: Option<Maddr>,
    xsdt: Option<Maddr>,
    bytes: u64,
}

/// The root pointer where a BIOS has it, in the order of `acpi_find_root_pointer()`. `page` is what is
/// read at a time.
pub fn scan(memory: &impl Memory, page: &mut [u8; PAGE_SIZE as usize]) -> Option<Maddr> {
    let mut segment = [0; 2];
    let ebda = Maddr::new(EBDA_SEGMENT_AT)
        .filter(|at| memory.read(*at, &mut segment))
        .map(|_| u64::from(u16::from_le_bytes(segment)) << 4)
        .filter(|at| EBDA.contains(at));
    let scanned = ebda.map(|at| at..EBDA.end.min(at.saturating_add(EBDA_SCANNED_BYTES)));
    (scanned.and_then(|area| scan_area(memory, area, page)))
        .or_else(|| scan_area(memory, BIOS, page))
}

/// The root pointer in an area.
fn scan_area(
    memory: &impl Memory,
    area: core::ops::Range<u64>,
    page: &mut [u8; PAGE_SIZE as usize],
) -> Option<Maddr> {
    let mut at = area.start;
    while at < area.end {
        let bytes = area.end.saturating_sub(at).min(PAGE_SIZE);
        let piece = page.get_mut(..bytes as usize)?;
        if memory.read(Maddr::new(at)?, piece) {
            let places = (at..area.end).step_by(SCAN_STEP as usize);
            let signed = places
                .zip(piece.chunks(SCAN_STEP as usize))
                .filter(|(_, bytes)| bytes.starts_with(SIGNATURE))
                .filter_map(|(at, _)| Maddr::new(at));
            for at in signed {
                if is_whole(memory, at) {
                    return Some(at);
                }
            }
        }
        at = at.saturating_add(bytes);
    }
    None
}

/// Has `visit` see where everything is that the root pointer at `rsdp` leads to, and itself. Some may
/// be seen twice.
///
/// Whoever has told of that root pointer is believed as the kernel believes him: its checksums are for
/// those that search for one.
pub fn walk(
    memory: &impl Memory,
    rsdp: Maddr,
    root_table: RootTable,
    visit: &mut dyn FnMut(MaRange),
) -> Found {
    let mut found = Found::default();
    let Some(root) = read_root(memory, rsdp) else {
        return found;
    };
    if let Some(range) = MaRange::from_len(rsdp, root.bytes) {
        visit(range);
    }
    let mut walk = Walk {
        memory,
        visit,
        found: &mut found,
    };
    match (root.xsdt, root.rsdt) {
        (Some(xsdt), _) if root_table == RootTable::Newest => walk.root_table(xsdt, 8),
        (_, Some(rsdt)) => walk.root_table(rsdt, 4),
        (_, None) => {}
    }
    found
}

const SIGNATURE: &[u8] = b"RSD PTR ";

/// The bytes of a root pointer: those that ACPI 1.0 had, and if it is a newer one all of them.
fn rsdp_bytes(memory: &impl Memory, at: Maddr) -> Option<([u8; RSDP_BYTES], usize)> {
    let mut bytes = [0; RSDP_BYTES];
    let v1 = bytes.get_mut(..RSDP_V1_BYTES)?;
    if !memory.read(at, v1) || !v1.starts_with(SIGNATURE) {
        return None;
    }
    let [revision] = field(&bytes, 15)?;
    match revision {
        0 | 1 => Some((bytes, RSDP_V1_BYTES)),
        _ => (memory.read(at, &mut bytes)).then_some((bytes, RSDP_BYTES)),
    }
}

/// Whether the root pointer at `at` is one.
fn is_whole(memory: &impl Memory, at: Maddr) -> bool {
    rsdp_bytes(memory, at).is_some_and(|(bytes, len)| {
        let sums = [RSDP_V1_BYTES, len].map(|len| bytes.get(..len).map(checksum));
        sums == [Some(0); 2]
    })
}

/// What the root pointer at `at` leads to.
fn read_root(memory: &impl Memory, at: Maddr) -> Option<Root> {
    let (bytes, len) = rsdp_bytes(memory, at)?;
    // Zeros where an older one has ended.
    Some(Root {
        rsdt: address(u64::from(u32::from_le_bytes(field(&bytes, 16)?))),
        xsdt: address(u64::from_le_bytes(field(&bytes, 24)?)),
        bytes: len as u64,
    })
}

/// A table that is there.
struct Table {
    signature: [u8; 4],
    range: MaRange,
}

/// A walk that is under way.
struct Walk<'a, M> {
    memory: &'a M,
    visit: &'a mut dyn FnMut(MaRange),
    found: &'a mut Found,
}

impl<M: Memory> Walk<'_, M> {
    /// A root table, and all that it leads to.
    fn root_table(&mut self, at: Maddr, entry_bytes: u64) {
        let Some(root) = self.table(at) else {
            return;
        };
        let entries = root.range.len_bytes().saturating_sub(HEADER_BYTES) / entry_bytes;
        for nr in 0..entries.min(MAX_TABLES) {
            // Inside the table, whose end can be addressed.
            let offset = HEADER_BYTES.saturating_add(nr.saturating_mul(entry_bytes));
            let entry = match entry_bytes {
                4 => self.u32_at(&root, offset),
                _ => self.u64_at(&root, offset),
            };
            let table = entry.and_then(address).and_then(|at| self.table(at));
            if let Some(table) = table.filter(|table| table.signature == *b"FACP") {
                let facs = self.linked(&table, FADT_FACS);
                // The kernel reads both, if they are not one (`acpi_tb_parse_fadt()`).
                let narrow = self.u32_at(&table, FADT_FACS.0).and_then(address);
                if let Some(other) = narrow.filter(|_| narrow != facs) {
                    self.table(other);
                }
                self.linked(&table, FADT_DSDT);
            }
        }
    }

    /// A table that the FADT names, by its wide field or else by the narrow one: its address.
    fn linked(&mut self, fadt: &Table, (narrow, wide): (u64, u64)) -> Option<Maddr> {
        let at = (self.u64_at(fadt, wide).and_then(address))
            .or_else(|| self.u32_at(fadt, narrow).and_then(address));
        if let Some(at) = at {
            self.table(at);
        }
        at
    }

    /// The table at `at`.
    fn table(&mut self, at: Maddr) -> Option<Table> {
        let table = self.header(at);
        match &table {
            Some(table) => {
                self.found.tables = self.found.tables.saturating_add(1);
                (self.visit)(table.range);
            }
            None => self.found.left_out = self.found.left_out.saturating_add(1),
        }
        table
    }

    fn header(&self, at: Maddr) -> Option<Table> {
        let mut bytes = [0; 8];
        self.memory.read(at, &mut bytes).then_some(())?;
        let signature: [u8; 4] = field(&bytes, 0)?;
        let len = u64::from(u32::from_le_bytes(field(&bytes, 4)?));
        let least = match &signature {
            b"FACS" => FACS_BYTES,
            _ => HEADER_BYTES,
        };
        let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        let good = signature.iter().all(plain) && (least..=MAX_TABLE_BYTES).contains(&len);
        good.then_some(Table {
            signature,
            range: MaRange::from_len(at, len)?,
        })
    }

    fn u32_at(&self, table: &Table, offset: u64) -> Option<u64> {
        let bytes = self.bytes_at(table, offset)?;
        Some(u64::from(u32::from_le_bytes(bytes)))
    }

    fn u64_at(&self, table: &Table, offset: u64) -> Option<u64> {
        self.bytes_at(table, offset).map(u64::from_le_bytes)
    }

    /// The bytes at an offset, if they are in the table: old ones are shorter.
    fn bytes_at<const N: usize>(&self, table: &Table, offset: u64) -> Option<[u8; N]> {
        let at = MaRange::from_len(table.range.start().checked_add(offset)?, N as u64)?;
        let mut bytes = [0; N];
        (table.range.covers(at) && self.memory.read(at.start(), &mut bytes)).then_some(bytes)
    }
}

/// An address in a table, where 0 is none.
fn address(raw: u64) -> Option<Maddr> {
    Maddr::new(raw).filter(|at| *at != Maddr::ZERO)
}

/// The sum of the bytes, which is 0 if they are whole.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// The `N` bytes at `at`.
fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
