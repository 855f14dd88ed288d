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
    for (from, kib) in [(0, lower), (1 << 20, upper.min(4096))] {
        // It ends at the first page that is not all RAM, but for the last one of a map whose end is crooked.
        let pages = (0..u64::from(kib) / 4).map(|page| from + page * 4096);
        assert!(pages.into_iter().all(|page| is_ram(map, page)));
    }
    if let Some((page, data)) = bios_data(memory, 0x7f77_e014) {
        assert!(memory.is_free(page, &[]) && page.len_bytes() == 4096);
        assert_eq!(u64::from(data.ebda_segment) * 16, page.start().raw());
        assert_eq!(u64::from(data.base_memory_kib) * 1024, page.start().raw());
        assert!((0x4_0000..0xa_0000).contains(&page.start().raw()));
    }
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
