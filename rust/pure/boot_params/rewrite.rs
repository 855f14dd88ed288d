//! Rewriting boot parameters: everything is checked first, then nothing can fail.

use core::ops::Range;

use super::super::addr::Maddr;
use super::super::memmap::{E820Type, MapEntry};
use super::{
    offset, BootParamsError, View, E820_ENTRY_BYTES, E820_TABLE_ENTRIES, EFI_INFO_BYTES,
    SETUP_DATA_BYTES, SETUP_DATA_MAX_BYTES, SETUP_E820_EXT,
};

/// `X86_SUBARCH_PC`.
const SUBARCH_PC: u32 = 0;
/// Where the E820 table is.
const E820_TABLE: Range<usize> =
    offset::E820_TABLE..offset::E820_TABLE + E820_TABLE_ENTRIES * E820_ENTRY_BYTES;
/// What the fields for the size of memory count from.
const MIB: u64 = 1 << 20;

/// Memory of the next kernel's that takes entries for which the table has no place.
#[derive(Debug)]
pub struct E820ExtRoom<'a> {
    /// The memory.
    pub bytes: &'a mut [u8],
    /// Where the next kernel finds it.
    pub at: Maddr,
}

/// How large the [`E820ExtRoom`] for a map of so many entries has to be, in bytes; 0 if it takes none.
pub const fn e820_ext_bytes(entries: usize) -> usize {
    match entries.saturating_sub(E820_TABLE_ENTRIES) {
        0 => 0,
        rest => rest
            .saturating_mul(E820_ENTRY_BYTES)
            .saturating_add(SETUP_DATA_BYTES),
    }
}

/// How many entries a map may have if there are `bytes` bytes of room.
const fn most_entries(bytes: usize) -> usize {
    let usable = if bytes < SETUP_DATA_MAX_BYTES {
        bytes
    } else {
        SETUP_DATA_MAX_BYTES
    };
    (usable.saturating_sub(SETUP_DATA_BYTES) / E820_ENTRY_BYTES).saturating_add(E820_TABLE_ENTRIES)
}

/// Rewrites the boot parameters at the beginning of `bytes` for a kernel on a machine with this
/// memory `map`, as the documentation of `boot_params` says. What does not fit in the table goes to
/// `room`.
///
/// # Errors
///
/// Then neither `bytes` nor `room` has been touched.
pub fn fix_up(
    bytes: &mut [u8],
    map: &[MapEntry],
    room: Option<E820ExtRoom<'_>>,
) -> Result<(), BootParamsError> {
    let next = View::new(bytes)?.setup_data();
    if map.is_empty() {
        return Err(BootParamsError::EmptyMap);
    }
    let limit = most_entries(room.as_ref().map_or(0, |room| room.bytes.len()));
    if map.len() > limit {
        return Err(BootParamsError::MapTooLong {
            entries: map.len(),
            limit,
        });
    }

    let (table, rest) = map
        .split_at_checked(E820_TABLE_ENTRIES)
        .unwrap_or((map, &[]));
    if let (Some(room), false) = (room, rest.is_empty()) {
        let at = room.at;
        if at == Maddr::ZERO || at.checked_add(e820_ext_bytes(map.len()) as u64).is_none() {
            return Err(BootParamsError::E820ExtAddress { at });
        }
        write_e820_ext(room.bytes, next, rest);
        put(bytes, offset::SETUP_DATA, at.raw().to_le_bytes());
    }
    // CAST: at most `E820_TABLE_ENTRIES`, which is asserted to fit.
    put(bytes, offset::E820_ENTRIES, [table.len() as u8]);
    if let Some(place) = bytes.get_mut(E820_TABLE) {
        place.fill(0);
        write_entries(place, table);
    }

    let (alt_mem_k, ext_mem_k) = memory_size_kib(map);
    put(bytes, offset::ALT_MEM_K, alt_mem_k.to_le_bytes());
    put(bytes, offset::EXT_MEM_K, ext_mem_k.to_le_bytes());
    put(bytes, offset::HARDWARE_SUBARCH, SUBARCH_PC.to_le_bytes());
    put(bytes, offset::HARDWARE_SUBARCH_DATA, 0u64.to_le_bytes());
    put(bytes, offset::EFI_INFO, [0; EFI_INFO_BYTES]);
    Ok(())
}

/// Writes a `setup_data` with `entries` to the beginning of `room`, which is large enough.
fn write_e820_ext(room: &mut [u8], next: u64, entries: &[MapEntry]) {
    // CAST: `most_entries` keeps it below `SETUP_DATA_MAX_BYTES`.
    let len = entries.len().saturating_mul(E820_ENTRY_BYTES) as u32;
    put(room, 0, next.to_le_bytes());
    put(room, 8, SETUP_E820_EXT.to_le_bytes());
    put(room, 12, len.to_le_bytes());
    write_entries(
        room.get_mut(SETUP_DATA_BYTES..).unwrap_or_default(),
        entries,
    );
}

/// Writes `entries` to the beginning of `room`, which is large enough.
fn write_entries(room: &mut [u8], entries: &[MapEntry]) {
    for (place, entry) in room.chunks_exact_mut(E820_ENTRY_BYTES).zip(entries) {
        // Linux stops reading at an entry that ends past 2^64 and would lose all that follow.
        let most = (!entry.start).saturating_add(1);
        put(place, 0, entry.start.to_le_bytes());
        put(place, 8, entry.len_bytes.min(most).to_le_bytes());
        put(place, 16, entry.kind_raw.to_le_bytes());
    }
}

/// `alt_mem_k` and `ext_mem_k` for this map: the KiB of RAM from 1 MiB up to where it ends first.
fn memory_size_kib(map: &[MapEntry]) -> (u32, u16) {
    /// As much as the BIOS call behind the field can tell: 63 MiB.
    const EXT_MEM_K_MAX: u16 = 0xfc00;

    let mib = map.iter().find(|entry| {
        let end = entry.start.saturating_add(entry.len_bytes);
        entry.kind() == E820Type::Ram && entry.start <= MIB && end > MIB
    });
    let end = mib.map_or(MIB, |entry| entry.start.saturating_add(entry.len_bytes));
    let kib = end.saturating_sub(MIB) / 1024;
    (
        u32::try_from(kib).unwrap_or(u32::MAX),
        u16::try_from(kib).map_or(EXT_MEM_K_MAX, |kib| kib.min(EXT_MEM_K_MAX)),
    )
}

/// Writes `value` at `at`; nothing if there is no room, which the callers rule out.
fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = value;
    }
}
