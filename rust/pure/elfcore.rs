//! The ELF core header from which a crash kernel makes `/proc/vmcore`.
//!
//! It is a file header and program headers, and nothing behind them. A `PT_NOTE` says where a
//! processor's registers or a vmcoreinfo are, a `PT_LOAD` where a piece of memory is: `p_offset` is
//! the machine address at which the crash kernel reads it (`fs/proc/vmcore.c`). That differs from
//! where it was, `p_paddr`, for low memory only, of which the hand-over has made a copy.
//!
//! [`Loads`] finds the pieces of memory, [`ElfCore`] writes the header. All notes are merged by the
//! crash kernel, which follows `p_memsz` without a look at it: an empty note would lead it astray,
//! so there is none.

use core::fmt;
use core::iter;

use super::addr::{Maddr, PAGE_SIZE};
use super::memmap::{E820Type, MapEntry};
use super::range::MaRange;
use crate::abi::handover::LOW_BYTES;

/// Bytes in an ELF file header (`Elf64_Ehdr`, `linux/elf.h`).
const FILE_HEADER_BYTES: usize = 64;
/// Bytes in a program header (`Elf64_Phdr`).
const PROGRAM_HEADER_BYTES: usize = 56;
/// As many program headers as an ELF file can have: `PN_XNUM` says that the number is elsewhere.
pub const MAX_HEADERS: usize = 0xfffe;

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfCoreError {
    /// The backup of low memory is not whole pages inside the crash area.
    Backup {
        /// Where it should be.
        at: Maddr,
    },
    /// There are more notes and pieces of memory than [`MAX_HEADERS`].
    TooMany {
        /// How many there are.
        headers: usize,
    },
    /// It does not fit.
    Room {
        /// The bytes that it takes.
        needed: usize,
    },
}

impl fmt::Display for ElfCoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup { at } => {
                write!(f, "the backup at {at} is not in the crash area")
            }
            Self::TooMany { headers } => write!(
                f,
                "{headers} notes and pieces of memory are more than an ELF file can have ({MAX_HEADERS})"
            ),
            Self::Room { needed } => write!(f, "no room for {needed} bytes of ELF header"),
        }
    }
}

impl core::error::Error for ElfCoreError {}

/// A piece of memory that the dump is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Where it was when the machine crashed. Not empty.
    pub range: MaRange,
    /// Where it is when the crash kernel reads it.
    pub saved_at: Maddr,
}

/// The memory of a crashed machine: all RAM but the crash area, byte by byte as the map has it.
///
/// Every byte of it is in exactly one [`Load`], in the order of the map. Xen's map is sorted and
/// its entries do not overlap. Were they to, what is not RAM would win, and of two entries the
/// first.
#[derive(Clone, Debug)]
pub struct Loads<'a> {
    map: &'a [MapEntry],
    crash: MaRange,
    backup: Option<Maddr>,
    /// The entry that comes next, and the first address in it that has not been looked at.
    index: usize,
    at: Maddr,
}

impl<'a> Loads<'a> {
    /// What is RAM in `map` and not in the area `crash`. With a `backup` the first [`LOW_BYTES`] of
    /// memory are read from there.
    ///
    /// # Errors
    ///
    /// [`ElfCoreError::Backup`].
    pub fn new(
        map: &'a [MapEntry],
        crash: MaRange,
        backup: Option<Maddr>,
    ) -> Result<Self, ElfCoreError> {
        if let Some(at) = backup {
            let fits = MaRange::from_len(at, LOW_BYTES).is_some_and(|range| crash.covers(range));
            if !fits || !at.is_aligned(PAGE_SIZE) {
                return Err(ElfCoreError::Backup { at });
            }
        }
        Ok(Self {
            map,
            crash,
            backup,
            index: 0,
            at: Maddr::ZERO,
        })
    }

    /// What takes bytes away from entry `index`, which is RAM.
    fn obstacles(&self, index: usize) -> impl Iterator<Item = MaRange> + '_ {
        let entries = self.map.iter().enumerate();
        entries
            .filter(move |(nr, entry)| *nr < index || entry.kind() != E820Type::Ram)
            .map(|(_, entry)| entry.range())
            .chain(iter::once(self.crash))
            .filter(|range| !range.is_empty())
    }

    /// The first piece of entry `index` in `rest`, if there is one.
    fn piece(&self, index: usize, rest: MaRange) -> Option<MaRange> {
        let mut start = rest.start();
        // Each round leaves an obstacle behind for good.
        while let Some(over) = self.obstacles(index).find(|range| range.contains(start)) {
            start = over.end();
        }
        let next = self.obstacles(index).map(MaRange::start);
        let end = next.filter(|next| *next > start).fold(rest.end(), Ord::min);
        let piece = MaRange::new(start, end).filter(|piece| !piece.is_empty())?;
        Some(self.cut(piece))
    }

    /// `piece` up to the end of low memory, if it is read from elsewhere and goes on behind it.
    fn cut(&self, piece: MaRange) -> MaRange {
        Maddr::new(LOW_BYTES)
            .filter(|low| self.backup.is_some() && *low < piece.end())
            .and_then(|low| MaRange::new(piece.start(), low))
            .filter(|low| !low.is_empty())
            .unwrap_or(piece)
    }

    /// Where `range`, which has been cut, is read from.
    fn saved_at(&self, range: MaRange) -> Maddr {
        let start = range.start();
        self.backup
            .filter(|_| start.raw() < LOW_BYTES)
            // `new` has seen that the whole backup fits.
            .and_then(|backup| backup.checked_add(start.raw()))
            .unwrap_or(start)
    }
}

impl Iterator for Loads<'_> {
    type Item = Load;

    fn next(&mut self) -> Option<Load> {
        loop {
            let entry = self.map.get(self.index)?;
            let range = entry.range();
            let rest = MaRange::new(self.at.max(range.start()), range.end())
                .filter(|_| entry.kind() == E820Type::Ram);
            if let Some(piece) = rest.and_then(|rest| self.piece(self.index, rest)) {
                self.at = piece.end();
                return Some(Load {
                    range: piece,
                    saved_at: self.saved_at(piece),
                });
            }
            self.index = self.index.saturating_add(1);
            self.at = Maddr::ZERO;
        }
    }
}

/// The header: what it is to describe.
#[derive(Clone, Debug)]
pub struct ElfCore<'a> {
    /// The virtual address at which the crashed kernel had address 0 (`page_offset_base`).
    pub direct_map: u64,
    /// Where the notes are. Empty ones are left out.
    pub notes: &'a [MaRange],
    /// The memory.
    pub loads: Loads<'a>,
}

impl ElfCore<'_> {
    /// The bytes that [`write`](Self::write) writes.
    ///
    /// # Errors
    ///
    /// [`ElfCoreError::TooMany`].
    pub fn len_bytes(&self) -> Result<usize, ElfCoreError> {
        // Does not saturate: the number of headers has 16 bits.
        Ok(usize::from(self.count()?)
            .saturating_mul(PROGRAM_HEADER_BYTES)
            .saturating_add(FILE_HEADER_BYTES))
    }

    /// Writes the header to the beginning of `out` and returns its length in bytes. The rest of
    /// `out` stays as it is.
    ///
    /// # Errors
    ///
    /// [`ElfCoreError::TooMany`], [`ElfCoreError::Room`]; then nothing has been written.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, ElfCoreError> {
        let needed = self.len_bytes()?;
        let room = out.get_mut(..needed).ok_or(ElfCoreError::Room { needed })?;
        let loads = self.loads.clone();
        let words = iter::once(file_header(self.count()?))
            .flatten()
            .chain(self.notes().flat_map(note))
            .chain(loads.flat_map(|load| self.load(load)));
        for (byte, value) in room.iter_mut().zip(words.flat_map(u64::to_le_bytes)) {
            *byte = value;
        }
        Ok(needed)
    }

    /// How many program headers there are.
    fn count(&self) -> Result<u16, ElfCoreError> {
        let headers = self
            .notes()
            .count()
            .saturating_add(self.loads.clone().count());
        u16::try_from(headers)
            .ok()
            .filter(|_| headers <= MAX_HEADERS)
            .ok_or(ElfCoreError::TooMany { headers })
    }

    fn notes(&self) -> impl Iterator<Item = MaRange> + '_ {
        self.notes.iter().copied().filter(|note| !note.is_empty())
    }

    /// The program header of a piece of memory: readable, writable, executable, as the kernel's own
    /// (`crash_prepare_elf64_headers`).
    fn load(&self, load: Load) -> ProgramHeader {
        const PT_LOAD: u64 = 1;
        const PF_RWX: u64 = 7;
        let start = load.range.start().raw();
        let bytes = load.range.len_bytes();
        [
            PT_LOAD | (PF_RWX << 32),
            load.saved_at.raw(),
            // A virtual address: it may pass 2^64 where nothing is mapped anyway.
            self.direct_map.wrapping_add(start),
            start,
            bytes,
            bytes,
            0,
        ]
    }
}

/// The file header as words of 64 bits, little endian like all of it.
type FileHeader = [u64; FILE_HEADER_BYTES / 8];
/// A program header, likewise: type and flags, offset, virtual and physical address, size in the
/// file and in memory, alignment.
type ProgramHeader = [u64; PROGRAM_HEADER_BYTES / 8];

/// The file header in front of `count` program headers.
const fn file_header(count: u16) -> FileHeader {
    /// The magic number; 64 bits, little endian, version 1; no particular system.
    const IDENT: u64 = u64::from_le_bytes(*b"\x7fELF\x02\x01\x01\x00");
    const ET_CORE: u64 = 4;
    const EM_X86_64: u64 = 62;
    const EV_CURRENT: u64 = 1;
    [
        IDENT,
        0,
        ET_CORE | (EM_X86_64 << 16) | (EV_CURRENT << 32),
        0,
        FILE_HEADER_BYTES as u64,
        0,
        ((FILE_HEADER_BYTES as u64) << 32) | ((PROGRAM_HEADER_BYTES as u64) << 48),
        count as u64,
    ]
}

/// The program header of the notes in `range`.
const fn note(range: MaRange) -> ProgramHeader {
    const PT_NOTE: u64 = 4;
    let start = range.start().raw();
    let bytes = range.len_bytes();
    [PT_NOTE, start, 0, start, bytes, bytes, 0]
}
