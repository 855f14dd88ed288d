//! Every map of up to four ranges between a few places, for each shape of table.
//!
//! The places are those at which the size of pages changes, and their neighbours; a range lies between any two of
//! them and is RAM, a hole, named, or a device. Each map is built, certified, and has the pages and the tables that it
//! must have.

use itertools::Itertools;
use rkexec::addr::Mfn;
use rkexec::identity::{build, table_count, BuildError, Finished, Mark, Origin, Sources, Table};
use rkexec::memmap::E820Type;
use rkexec::range::MaRange;

use super::model::{self, Input, Model};
use super::rules;
use crate::common::{range, raw_entry, GIB, MIB};

const PAGE: u64 = 4096;
const KINDS: [Origin; 4] = [
    Origin::Map(E820Type::Ram),
    Origin::Map(E820Type::Reserved),
    Origin::AskedFor,
    Origin::Device,
];

/// In memory that is mapped by small pages whatever it is, and where that ends. With halves of pages.
const LOW: [u64; 5] = [0, PAGE + PAGE / 2, 0xa_0000 - PAGE / 2, MIB, 2 * MIB];
/// Where pages of 2 MiB begin and end.
const MIDDLE: [u64; 5] = [
    4 * MIB - PAGE / 2,
    4 * MIB,
    6 * MIB,
    6 * MIB + PAGE,
    8 * MIB,
];
/// Where those of 1 GiB do.
const HIGH: [u64; 5] = [GIB - 2 * MIB, GIB, 2 * GIB, 2 * GIB + PAGE, 512 * GIB + GIB];
/// The end of what four levels can map, and of memory.
const END: [u64; 5] = [
    (1 << 47) - GIB,
    1 << 47,
    (1 << 47) + PAGE,
    model::END - GIB,
    model::END,
];

type Said = (Origin, MaRange);

/// Every range between two of the places.
fn ranges(places: &[u64]) -> Vec<Said> {
    let pairs = places.iter().tuple_combinations();
    let pairs = pairs.map(|(start, end)| range(*start, *end));
    pairs
        .cartesian_product(KINDS)
        .map(|(it, kind)| (kind, it))
        .collect()
}

/// The same for the model.
fn input(said: &[Said]) -> Input {
    let mut input = Input::default();
    for (origin, range) in said {
        let (start, end) = (range.start().raw(), range.end().raw());
        match origin {
            Origin::Map(kind) => {
                input
                    .entries
                    .push(raw_entry(start, end - start, kind.raw()));
            }
            Origin::AskedFor => input.write_back.push((start, end)),
            Origin::Device => input.uncached.push((start, end)),
        }
    }
    input
}

/// What is the same for all maps.
struct Room {
    marks: Vec<Mark>,
    tables: Vec<Table>,
    checked: usize,
}

impl Room {
    fn new() -> Self {
        Self {
            marks: vec![Mark::default(); Sources::marks_needed(4)],
            tables: vec![Table::EMPTY; 64],
            checked: 0,
        }
    }

    fn check(&mut self, said: &[Said]) {
        let mut sources = Sources::new(&mut self.marks).unwrap();
        for (origin, range) in said {
            sources.add(*origin, *range).unwrap();
        }
        let runs = sources.runs();
        let expected = Model::new(&input(said)).expected();
        for paging in rules::PAGINGS {
            let nr = match table_count(runs, paging) {
                Ok(nr) => nr,
                Err(BuildError::BeyondLevels { .. }) => {
                    let beyond = model::beyond(&expected, paging.levels);
                    assert!(beyond.is_some(), "{said:?}");
                    continue;
                }
                Err(error) => panic!("{said:?}: {error}"),
            };
            assert_eq!(nr, model::fewest_tables(&expected, paging), "{said:?}");
            self.checked += 1;
            if nr > self.tables.len() {
                continue;
            }
            let tables = &mut self.tables[..nr];
            let root = build(runs, paging, tables, rules::chunk_at(FIRST)).unwrap();
            let at = |mfn: Mfn| tables.get((mfn.number() - FIRST) as usize);
            let finished = Finished {
                root,
                paging,
                number: nr,
                alias: None,
                table_at: at,
            };
            let certified = finished.certify(|| said.iter().copied());
            assert_eq!(certified, Ok(()), "{said:?} in {paging:?}");
        }
    }
}

/// The frame of the first table.
const FIRST: u64 = 0x1000;

/// Every map of so many ranges between these places. The order of the ranges is that of the places: others are
/// for `random`.
fn all(places: &[u64], most: usize, at_least: usize) {
    let ranges = ranges(places);
    let mut room = Room::new();
    for number in 0..=most {
        for said in ranges.iter().copied().combinations_with_replacement(number) {
            room.check(&said);
        }
    }
    assert!(room.checked > at_least, "{}", room.checked);
}

#[test]
fn three_ranges_below_2_mib() {
    all(&LOW, 3, 40_000);
}

#[test]
fn four_ranges_at_the_edges_of_2_mib() {
    all(&MIDDLE[..4], 4, 80_000);
}

#[test]
fn three_ranges_at_the_edges_of_2_mib() {
    all(&MIDDLE, 3, 40_000);
}

#[test]
fn four_ranges_at_the_edges_of_1_gib() {
    all(&HIGH[..4], 4, 80_000);
}

#[test]
fn three_ranges_at_the_edges_of_1_gib() {
    all(&HIGH, 3, 40_000);
}

#[test]
fn three_ranges_at_the_end_of_memory() {
    all(&END, 3, 10_000);
}
