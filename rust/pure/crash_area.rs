//! The crash area: memory that Xen keeps free for the kernel that is started when all else has failed.
//!
//! That kernel runs in there and nowhere else, for everything around it is what the dump is of.
//! [`memory_map`] tells it so. What starts it has to fit in the area as well: [`xen_pages`].

use super::addr::{Addr, Maddr, PAGE_SIZE};
use super::memmap::{E820Type, MapEntry};
use super::range::{MaRange, Range};

/// Below this address a crash kernel is given the machine's RAM: it starts its processors there.
pub const LOW_END: Maddr = match Addr::new(1 << 20) {
    Some(end) => end,
    None => Addr::ZERO,
};

/// The memory map for the crash kernel of a machine whose own map is `machine`: of its RAM what is
/// below 1 MiB, the crash `area` without the two pieces of it that are `kept` from the kernel's
/// use, and all that is not RAM. Not in the order of addresses.
pub fn memory_map(
    machine: &[MapEntry],
    area: MaRange,
    mut kept: [MaRange; 2],
) -> impl Iterator<Item = MapEntry> + '_ {
    kept.sort_unstable();
    let [first, second] = kept;
    let free = [
        (area.start(), first.start()),
        (first.end(), second.start()),
        (second.end(), area.end()),
    ];
    let low = machine.iter().filter(|entry| entry.kind() == E820Type::Ram);
    let low = low.map(|entry| {
        let range = entry.range();
        (range.start(), range.end().min(LOW_END))
    });
    let ram = low
        .chain(free)
        .filter_map(|(start, end)| Range::new(start, end))
        .filter(|range| !range.is_empty())
        .map(|range| MapEntry {
            start: range.start().raw(),
            len_bytes: range.len_bytes(),
            kind_raw: E820Type::Ram.raw(),
        });
    let others = machine.iter().filter(|entry| entry.kind() != E820Type::Ram);
    ram.chain(others.copied())
}

/// As many pages as Xen takes from the crash area, at most, for a crash image whose segments are
/// `ranges`: its page tables with all pages of them (4 levels, 4 KiB each, `machine_kexec_add_page`
/// in xen/arch/x86/machine_kexec.c), and the code that loads these.
pub fn xen_pages(ranges: impl Iterator<Item = MaRange>) -> u64 {
    /// The root, the code, its list of pages, and three tables for each of the addresses that these
    /// two are mapped at: the code is at two, for it is also where Xen runs it.
    const ALWAYS: u64 = 1 + 1 + 1 + 3 * 3;
    /// What a table maps, on each level but the highest.
    const SPANS: [u64; 3] = [2 << 20, 1 << 30, 512 << 30];

    ranges.fold(ALWAYS, |sum, range| {
        SPANS.iter().fold(sum, |sum, &span| {
            sum.saturating_add(range.round_out(span).len_bytes() / span)
        })
    })
}

/// The whole pages of `area` that are in none of `ranges`, of which no two overlap.
pub fn free_pages(area: MaRange, ranges: impl Iterator<Item = MaRange>) -> u64 {
    let used = ranges.fold(0u64, |sum, range| {
        let (start, end) = (range.start().max(area.start()), range.end().min(area.end()));
        let bytes = Range::new(start, end).map_or(0, Range::len_bytes);
        sum.saturating_add(bytes)
    });
    area.len_bytes().saturating_sub(used) / PAGE_SIZE
}
