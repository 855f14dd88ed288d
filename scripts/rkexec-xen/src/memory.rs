//! The machine's memory map, and which of it a boot loader may put things into.

use rkexec::addr::{Maddr, PAGE_SIZE};
use rkexec::mem_hole::{self, Constraints, End};
use rkexec::memmap::{E820Type, MapEntry};
use rkexec::range::MaRange;

/// The first address that a multiboot loader cannot reach.
pub const FOUR_GIB: u64 = 1 << 32;
const ONE_MIB: u64 = 1 << 20;

/// A machine's memory map.
#[derive(Clone, Debug)]
pub struct Memory {
    /// As the firmware has it, in ascending order. Addresses are the machine's, in bytes.
    entries: Vec<MapEntry>,
    /// RAM in whole pages, in ascending order; what touches is one.
    ram: Vec<MaRange>,
    /// What some entry has that is not RAM: this counts where two overlap.
    not_ram: Vec<MaRange>,
}

impl Memory {
    pub fn new(mut entries: Vec<MapEntry>) -> Self {
        entries.sort_by_key(|entry| entry.start);
        let is_ram = |entry: &&MapEntry| entry.kind() == E820Type::Ram;
        let mut ram: Vec<MaRange> = Vec::new();
        for range in entries.iter().filter(is_ram).map(|entry| entry.range()) {
            match ram.last_mut() {
                Some(last) if range.start() <= last.end() => {
                    let end = last.end().max(range.end());
                    *last = MaRange::new(last.start(), end).unwrap_or(*last);
                }
                _ => ram.push(range),
            }
        }
        let not_ram = entries.iter().filter(|entry| !is_ram(entry));
        Self {
            not_ram: not_ram.map(|entry| entry.range()).collect(),
            ram: ram
                .into_iter()
                .map(|range| range.round_in(PAGE_SIZE))
                .collect(),
            entries,
        }
    }

    /// All of it.
    pub fn entries(&self) -> &[MapEntry] {
        &self.entries
    }

    /// RAM between two addresses, the second not included, for `bytes` bytes at a multiple of `align`, clear of what
    /// is `taken`.
    pub fn place(&self, wanted: Wanted, taken: &[MaRange]) -> Option<MaRange> {
        let taken: Vec<_> = taken.iter().chain(&self.not_ram).copied().collect();
        let constraints = Constraints {
            bytes: wanted.bytes.checked_next_multiple_of(PAGE_SIZE)?,
            align: wanted.align.max(PAGE_SIZE),
            min: wanted.from,
            max: wanted.to.checked_sub(1)?,
            from: wanted.end,
        };
        let start = mem_hole::find(&constraints, &self.ram, &taken)?;
        MaRange::from_len(start, constraints.bytes)
    }

    /// Whether all of this is RAM, and clear of what is `taken`.
    pub fn is_free(&self, range: MaRange, taken: &[MaRange]) -> bool {
        range.is_in(&self.ram)
            && !self
                .not_ram
                .iter()
                .chain(taken)
                .any(|other| other.overlaps(range))
    }

    /// KiB of RAM from address 0 on, in one piece (`mem_lower` of the multiboot information).
    pub fn lower_kib(&self) -> u32 {
        self.run_from(0).min(ONE_MIB) as u32 / 1024
    }

    /// KiB of RAM from 1 MiB on, in one piece (`mem_upper`).
    pub fn upper_kib(&self) -> u32 {
        u32::try_from(self.run_from(ONE_MIB) / 1024).unwrap_or(u32::MAX)
    }

    /// Bytes of RAM from `start` on.
    fn run_from(&self, start: u64) -> u64 {
        let Some(at) = Maddr::new(start) else {
            return 0;
        };
        let Some(range) = self.ram.iter().find(|range| range.contains(at)) else {
            return 0;
        };
        let ends = self
            .not_ram
            .iter()
            .filter(|other| !other.is_empty() && other.end() > at);
        let end = ends
            .map(|other| other.start().max(at))
            .fold(range.end(), Ord::min);
        end.raw() - start
    }

    /// The same, with a range in it that is not RAM.
    pub fn without(&self, range: MaRange) -> Self {
        let mut entries = Vec::new();
        for entry in &self.entries {
            let whole = entry.range();
            if entry.kind() != E820Type::Ram || !whole.overlaps(range) {
                entries.push(*entry);
                continue;
            }
            let pieces = [
                MaRange::new(whole.start(), range.start()),
                MaRange::new(range.end(), whole.end()),
            ];
            entries.extend(
                pieces
                    .into_iter()
                    .flatten()
                    .map(|piece| of(piece, E820Type::Ram)),
            );
        }
        entries.push(of(range, E820Type::Reserved));
        entries.retain(|entry| entry.len_bytes > 0);
        Self::new(entries)
    }
}

/// An entry for a range.
fn of(range: MaRange, kind: E820Type) -> MapEntry {
    MapEntry {
        start: range.start().raw(),
        len_bytes: range.len_bytes(),
        kind_raw: kind.raw(),
    }
}

/// What a place is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub bytes: u64,
    /// A power of two; at least a page counts.
    pub align: u64,
    pub from: u64,
    /// The first address behind where it may be.
    pub to: u64,
    /// From which end to look.
    pub end: End,
}

impl Wanted {
    /// The lowest place between 1 MiB and 4 GiB. The first MiB is for what was always there.
    pub fn low(bytes: u64) -> Self {
        Self {
            bytes,
            align: PAGE_SIZE,
            from: ONE_MIB,
            to: FOUR_GIB,
            end: End::Bottom,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(entries: &[(u64, u64, u32)]) -> Memory {
        let entries = entries.iter().map(|&(start, end, kind_raw)| MapEntry {
            start,
            len_bytes: end - start,
            kind_raw,
        });
        Memory::new(entries.collect())
    }

    fn pc() -> Memory {
        memory(&[
            (0x10_0000, 0x8000_0000, 1),
            (0, 0x9_fc00, 1),
            (0x9_fc00, 0xa_0000, 2),
            (0x1_0000_0000, 0x2_0000_0000, 1),
        ])
    }

    fn range(start: u64, end: u64) -> MaRange {
        MaRange::new(Maddr::new(start).unwrap(), Maddr::new(end).unwrap()).unwrap()
    }

    #[test]
    fn lower_memory_ends_at_the_first_byte_that_is_not_ram_and_upper_memory_too() {
        assert_eq!(pc().lower_kib(), 636, "in whole pages");
        assert_eq!(pc().upper_kib(), 0x7ff0_0000 / 1024);
        let hole = memory(&[(0, 0xa_0000, 1), (0x5_8000, 0x5_9000, 2)]);
        assert_eq!(hole.lower_kib(), 0x160);
        assert_eq!(hole.upper_kib(), 0);
        assert_eq!(memory(&[(0x1000, 0xa_0000, 1)]).lower_kib(), 0);
    }

    #[test]
    fn places_are_above_one_mib_in_ram_and_clear_of_the_rest() {
        let place = |bytes, taken: &[MaRange]| pc().place(Wanted::low(bytes), taken);
        assert_eq!(place(1, &[]), Some(range(0x10_0000, 0x10_1000)));
        let taken = [range(0x10_0000, 0x20_0001)];
        assert_eq!(place(0x1000, &taken), Some(range(0x20_1000, 0x20_2000)));
        assert_eq!(place(0x8000_0000, &[]), None, "above 4 GiB does not count");
        assert_eq!(place(u64::MAX, &[]), None);
    }

    #[test]
    fn where_two_entries_overlap_it_is_not_ram() {
        let memory = memory(&[(0x10_0000, 0x40_0000, 1), (0x20_0000, 0x30_0000, 3)]);
        assert!(memory.is_free(range(0x10_0000, 0x20_0000), &[]));
        assert!(!memory.is_free(range(0x1f_f000, 0x20_1000), &[]));
        let place = memory.place(Wanted::low(0x10_0001), &[]);
        assert_eq!(place, None);
    }

    #[test]
    fn a_range_can_be_taken_out() {
        let less = pc().without(range(0x9_e000, 0x9_f000));
        let text: Vec<_> = less
            .entries()
            .iter()
            .map(|e| (e.start, e.len_bytes, e.kind_raw))
            .collect();
        assert_eq!(
            text[..4],
            [
                (0, 0x9_e000, 1),
                (0x9_e000, 0x1000, 2),
                (0x9_f000, 0xc00, 1),
                (0x9_fc00, 0x400, 2),
            ]
        );
        assert_eq!(less.lower_kib(), 0x278);
    }
}
