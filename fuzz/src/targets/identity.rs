//! Memory maps, and what is named beside them, to page tables of one of the shapes: against the seven rules of the map.

use crate::input::real_maps;
use crate::oracle::model;
use crate::oracle::rules;
use crate::{Bytes, Input};

const MOST_ENTRIES: u8 = 48;
const MOST_RANGES: u8 = 6;

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let shape = rules::PAGINGS[usize::from(input.up_to(3))];
    let entries = input.map(MOST_ENTRIES);
    let mut named = || {
        let ranges = input.ranges(MOST_RANGES).into_iter();
        let ends = ranges.map(|range| (range.start().raw(), range.end().raw()));
        ends.collect::<Vec<_>>()
    };
    let (write_back, uncached, destinations) = (named(), named(), named());
    let input = model::Input {
        entries,
        write_back,
        uncached,
    };
    // Frames for tables are looked for around here: not all of it may be a destination.
    let small = |&(start, end): &(u64, u64)| end - start < 64 << 20;
    let destinations: Vec<_> = destinations.into_iter().filter(small).collect();
    rules::check_shapes(&input, &destinations, &[shape]);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let maps = real_maps().into_iter();
    let seed = |(nr, map): (usize, formats::e820::Machine)| {
        let named = [
            crate::common::raw_entry(0x9_f000, 0x6_2000, 0),
            crate::common::raw_entry(0x7eed_e018, 0x78, 0),
        ];
        let bytes = Bytes::new().byte(nr as u8).map(&map.entries);
        bytes.map(&named).map(&named[1..]).map(&named[..1]).0
    };
    maps.enumerate().map(seed).collect()
}
