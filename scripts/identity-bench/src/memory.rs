//! What a memory map says, twice: to the byte, by the rule of the map, and as Linux takes it.
//!
//! Neither uses what rkexec makes of a memory map, for that is what is measured here.

use rkexec::addr::{Maddr, PAGE_SIZE};
use rkexec::identity::{Attr, Origin, Rule, LEGACY};
use rkexec::memmap::{E820Type, MapEntry};
use rkexec::range::{MaRange, Range};

/// Memory in the order of its addresses, neighbours merged: what `is_memory` says of each byte,
/// given the kinds of the entries that cover it.
fn stretches(
    entries: &[MapEntry],
    is_memory: impl Fn(MaRange, &[E820Type]) -> bool,
) -> Vec<MaRange> {
    let ranges = entries.iter().map(|entry| entry.range()).chain([LEGACY]);
    let mut cuts: Vec<Maddr> = ranges
        .flat_map(|range| [range.start(), range.end()])
        .collect();
    cuts.sort_unstable();
    let mut stretches = Vec::new();
    for part in cuts
        .windows(2)
        .filter_map(|pair| Range::new(pair[0], pair[1]))
    {
        let covering = entries.iter().filter(|entry| entry.range().covers(part));
        let kinds: Vec<E820Type> = covering.map(|entry| entry.kind()).collect();
        if !part.is_empty() && is_memory(part, &kinds) {
            push(&mut stretches, part);
        }
    }
    stretches
}

/// Adds a range that is not below the last one; one that touches it becomes part of it.
fn push(stretches: &mut Vec<MaRange>, next: MaRange) {
    match stretches.last_mut() {
        Some(last) if next.start() <= last.end() => {
            let end = last.end().max(next.end());
            *last = Range::new(last.start(), end).unwrap_or(*last);
        }
        _ => stretches.push(next),
    }
}

/// What may be mapped write-back, to the byte. Video memory and ROMs may not, whatever the map says.
pub fn memory(entries: &[MapEntry]) -> Vec<MaRange> {
    stretches(entries, |part, kinds| {
        let device = LEGACY.overlaps(part).then_some(Origin::Device);
        let said = kinds.iter().copied().map(Origin::Map).chain(device);
        Rule::deciding(said).is_some_and(|rule| rule.attr == Some(Attr::WriteBack))
    })
}

fn is_ram(kinds: &[E820Type]) -> bool {
    !kinds.is_empty() && kinds.iter().all(|&kind| kind == E820Type::Ram)
}

/// The ranges that Linux's kexec maps, in its order: `pfn_mapped`, then ACPI's.
///
/// `pfn_mapped` is what the kernel's direct map holds (`init_mem_mapping()` in
/// arch/x86/mm/init.c): the first MiB whatever it is, and above that all RAM, in whole pages,
/// neighbours merged. ACPI's tables and storage come after, entry by entry (`init_pgtable()` in
/// arch/x86/kernel/machine_kexec_64.c). What it maps beside that has no place in a memory map:
/// the image's segments, EFI's tables and the page of code that it jumps to.
pub fn linux_ranges(entries: &[MapEntry]) -> Vec<MaRange> {
    let first_mib = Range::new(Maddr::ZERO, LEGACY.end());
    let mut ranges: Vec<MaRange> = first_mib.into_iter().collect();
    for ram in stretches(entries, |_, kinds| is_ram(kinds)) {
        let pages = ram.round_in(PAGE_SIZE);
        let above = Range::new(pages.start().max(LEGACY.end()), pages.end());
        above
            .filter(|range| !range.is_empty())
            .into_iter()
            .for_each(|range| push(&mut ranges, range));
    }
    for wanted in [E820Type::Acpi, E820Type::Nvs] {
        let acpi = entries.iter().filter(|entry| entry.kind() == wanted);
        ranges.extend(acpi.map(|entry| entry.range()));
    }
    ranges
}

/// How many bytes of `mapped` are not in `memory`; both in order, neither overlapping itself.
pub fn bytes_outside(mapped: &[MaRange], memory: &[MaRange]) -> u64 {
    let total: u64 = mapped.iter().map(|range| range.len_bytes()).sum();
    let common = |a: MaRange, b: MaRange| {
        let common = Range::new(a.start().max(b.start()), a.end().min(b.end()));
        common.map_or(0, MaRange::len_bytes)
    };
    let inside = mapped
        .iter()
        .flat_map(|&a| memory.iter().map(move |&b| common(a, b)));
    total - inside.sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rkexec::addr::Addr;

    fn range(start: u64, end: u64) -> MaRange {
        Range::new(Addr::new(start).unwrap(), Addr::new(end).unwrap()).unwrap()
    }

    fn entry(start: u64, end: u64, kind: E820Type) -> MapEntry {
        MapEntry {
            start,
            len_bytes: end - start,
            kind_raw: kind.raw(),
        }
    }

    /// A PC with RAM that ends inside a page, ACPI tables right behind, and a reserved page.
    fn pc() -> Vec<MapEntry> {
        vec![
            entry(0, 0x9_fc00, E820Type::Ram),
            entry(0x9_fc00, 0xa_0000, E820Type::Reserved),
            entry(0x10_0000, 0x4000_0000, E820Type::Ram),
            entry(0x4000_0000, 0x4000_1800, E820Type::Ram),
            entry(0x4000_1800, 0x4000_2800, E820Type::Acpi),
            entry(0x8000_0000, 0x8000_1000, E820Type::Nvs),
        ]
    }

    #[test]
    fn memory_is_exact() {
        // RAM, and ACPI's tables behind it; of the other types the rule decides.
        let ranges = [range(0, 0x9_fc00), range(0x10_0000, 0x4000_2800)];
        assert_eq!(memory(&pc()[..5]), ranges);
    }

    #[test]
    fn linux_maps_the_first_mib_and_whole_pages_of_ram() {
        let ranges = [
            range(0, 0x4000_1000),
            range(0x4000_1800, 0x4000_2800),
            range(0x8000_0000, 0x8000_1000),
        ];
        assert_eq!(linux_ranges(&pc()), ranges);
    }

    #[test]
    fn video_memory_is_not_memory_even_if_the_map_says_so() {
        let map = [entry(0, 0x20_0000, E820Type::Ram)];
        assert_eq!(
            memory(&map),
            [range(0, 0xa_0000), range(0x10_0000, 0x20_0000)]
        );
        assert_eq!(linux_ranges(&map), [range(0, 0x20_0000)]);
    }

    #[test]
    fn what_is_outside_is_counted_once() {
        let memory = [range(0x1000, 0x2000), range(0x3000, 0x4000)];
        let mapped = [
            range(0, 0x1800),
            range(0x1800, 0x3800),
            range(0x5000, 0x6000),
        ];
        assert_eq!(bytes_outside(&mapped, &memory), 0x1000 + 0x1000 + 0x1000);
        assert_eq!(bytes_outside(&memory, &memory), 0);
    }
}
