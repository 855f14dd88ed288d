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
//! The kernel that runs goes through the XSDT, or where there is none through the RSDT, and so does
//! this: addresses that the kernel has not looked at are not looked at here either, for they may be
//! those of a device. Nothing in a table is trusted. One whose header makes no sense is left out, and
//! so is what it leads to.
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
pub const SCANNED: core::ops::Range<u64> = 0xe_0000..0x10_0000;
const SCAN_STEP: u64 = 16;

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

/// What a root pointer leads to.
struct Root {
    rsdt: Option<Maddr>,
    xsdt: Option<Maddr>,
    bytes: u64,
}

/// The root pointer in [`SCANNED`], where a BIOS has it.
pub fn scan(memory: &impl Memory) -> Option<Maddr> {
    (SCANNED.start..SCANNED.end)
        .step_by(SCAN_STEP as usize)
        .filter_map(Maddr::new)
        .find(|&at| read_root(memory, at).is_some())
}

/// Has `visit` see where everything is that the root pointer at `rsdp` leads to, and itself. Some may
/// be seen twice.
pub fn walk(memory: &impl Memory, rsdp: Maddr, visit: &mut dyn FnMut(MaRange)) -> Found {
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
        (Some(xsdt), rsdt) => {
            // It is there to be read, but nobody goes through it.
            rsdt.and_then(|rsdt| walk.table(rsdt));
            walk.root_table(xsdt, 8);
        }
        (None, Some(rsdt)) => walk.root_table(rsdt, 4),
        (None, None) => {}
    }
    found
}

/// The root pointer at `at`, if it is one.
fn read_root(memory: &impl Memory, at: Maddr) -> Option<Root> {
    let mut bytes = [0; RSDP_BYTES];
    let (v1, _) = bytes.split_at_mut_checked(RSDP_V1_BYTES)?;
    if !memory.read(at, v1) || !v1.starts_with(b"RSD PTR ") || checksum(v1) != 0 {
        return None;
    }
    let rsdt = u32::from_le_bytes(field(&bytes, 16)?);
    let [revision] = field(&bytes, 15)?;
    let mut root = Root {
        rsdt: address(u64::from(rsdt)),
        xsdt: None,
        bytes: RSDP_V1_BYTES as u64,
    };
    if revision >= 2 {
        if !memory.read(at, &mut bytes) || checksum(&bytes) != 0 {
            return None;
        }
        root.xsdt = address(u64::from_le_bytes(field(&bytes, 24)?));
        root.bytes = RSDP_BYTES as u64;
    }
    Some(root)
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
                self.linked(&table, FADT_FACS);
                self.linked(&table, FADT_DSDT);
            }
        }
    }

    /// A table that the FADT names, by its wide field or else by the narrow one.
    fn linked(&mut self, fadt: &Table, (narrow, wide): (u64, u64)) {
        let at = (self.u64_at(fadt, wide).and_then(address))
            .or_else(|| self.u32_at(fadt, narrow).and_then(address));
        if let Some(at) = at {
            self.table(at);
        }
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
