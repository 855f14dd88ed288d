//! The memory that a boot loader may use, by a machine's map: against each page looked at by itself, in a small memory.

use rkexec::mem_hole::End;
use rkexec::memmap::MapEntry;
use rkexec::range::MaRange;
use rkexec_xen::low_memory::bios_data;
use rkexec_xen::memory::{Memory, Wanted};

use crate::common::range;
use crate::input::real_maps;
use crate::{Bytes, Input};

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let small = |input: &mut Input<'_>| {
        let [start, pages]: [u8; 2] = [input.number(), input.number()];
        range(u64::from(start) << 14, (u64::from(start) << 14) + (u64::from(pages) << 11))
    };
    let (taken, without) = ([small(&mut input), small(&mut input)], small(&mut input));
    let wanted = Wanted {
        bytes: input.number::<u64>() >> input.up_to(63),
        align: 1 << input.up_to(40),
        from: input.number::<u32>().into(),
        to: input.number::<u64>() >> input.up_to(63),
        end: if input.number() { End::Top } else { End::Bottom },
    };
    let map = input.map(48);
    let memory = Memory::new(map.clone());
    assert_eq!(memory.entries().len(), map.len());
    check(&memory, &map, wanted, &taken);
    let less = memory.without(without.round_out(4096));
    let gone = without.round_out(4096);
    assert!(gone.is_empty() || !less.is_free(gone, &[]));
    check(&less, less.entries(), wanted, &taken);
}

fn check(memory: &Memory, map: &[MapEntry], wanted: Wanted, taken: &[MaRange]) {
    for wanted in [wanted, Wanted::low(wanted.bytes)] {
        let Some(place) = memory.place(wanted, taken) else {
            assert!(!has_page(map, wanted, taken), "{wanted:x?}");
            continue;
        };
        assert!(place.len_bytes() >= wanted.bytes && memory.is_free(place, taken));
        assert!(place.start().is_aligned(wanted.align.max(4096)));
        assert!(place.start().raw() >= wanted.from && place.end().raw() <= wanted.to.max(wanted.from));
        let edges = [place.start().raw(), place.end().raw().saturating_sub(4096)];
        assert!(place.is_empty() || edges.into_iter().all(|page| is_ram(map, page)));
    }
    let (lower, upper) = (memory.lower_kib(), memory.upper_kib());
    assert!(lower <= 1024);
    for (from, kib) in [(0, lower), (1 << 20, upper)] {
        let pages = (0..u64::from(kib).min(4096) / 4).map(|page| from + page * 4096);
        assert!(pages.into_iter().all(|page| is_ram(map, page)));
        // It ends where the first page is that is not all RAM.
        let end = (from + u64::from(kib) * 1024) / 4096 * 4096;
        let is_cut = kib == u32::MAX || from == 0 && kib == 1024;
        assert!(is_cut || !is_ram(map, end), "{end:x}");
    }
    if let Some((page, data)) = bios_data(memory, 0x7f77_e014) {
        assert!(memory.is_free(page, &[]) && page.len_bytes() == 4096);
        assert_eq!(u64::from(data.ebda_segment) * 16, page.start().raw());
        assert_eq!(u64::from(data.base_memory_kib) * 1024, page.start().raw());
        assert!((0x4_0000..0xa_0000).contains(&page.start().raw()));
    }
}

/// Whether there is a place for a page, at one of the addresses where something begins or ends.
fn has_page(map: &[MapEntry], wanted: Wanted, taken: &[MaRange]) -> bool {
    let ranges = map.iter().map(|it| it.range()).chain(taken.iter().copied());
    let mut edges = ranges.flat_map(|it| [it.start(), it.end()]);
    let is_one = |at: u64| {
        let page = range(at, at + 4096);
        at >= wanted.from
            && page.end().raw() <= wanted.to
            && is_ram(map, at)
            && !taken.iter().any(|it| it.overlaps(page))
    };
    let last = (1 << 52) - 4096;
    let is_small = (1..=4096).contains(&wanted.bytes) && wanted.align <= 4096;
    is_small && edges.any(|edge| is_one(edge.raw().next_multiple_of(4096).min(last)))
}

/// Whether every byte of the page is RAM, and of nothing else.
fn is_ram(map: &[MapEntry], page: u64) -> bool {
    let page = range(page, page + 4096);
    let ranges = |ram: bool| {
        let of_kind = map.iter().filter(move |it| (it.kind_raw == 1) == ram);
        of_kind.map(|it| it.range())
    };
    if ranges(false).any(|it| it.overlaps(page)) {
        return false;
    }
    let mut at = page.start();
    while at < page.end() {
        match ranges(true).find(|it| it.contains(at)) {
            Some(it) => at = it.end(),
            None => return false,
        }
    }
    true
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let maps = real_maps().into_iter();
    let seed = |map: formats::e820::Machine| {
        let to = Bytes::new().bytes(&[64, 16, 128, 255, 0x27, 2]);
        let to = to.word(0x123_4567).byte(0).byte(21).bytes(&0x10_0000u32.to_le_bytes());
        to.word(1 << 32).byte(0).byte(0).map(&map.entries).0
    };
    maps.map(seed).collect()
}
