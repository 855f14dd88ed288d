//! A page at another address too, and the walk that tells what tables map.

use proptest::prelude::*;
use rkexec::addr::Mfn;
use rkexec::identity::{
    alias_table_count, build, leaf_runs, link_alias, table_count, walk, Alias, BuildError,
    LeafSize, Levels, Mapping, Paging, Table, Vaddr,
};
use rkexec::memmap::{E820Type, MapEntry};

use super::rules;
use crate::common::{entry, mfn, raw_entry, GIB, MIB};

/// Four levels and five.
const PAGINGS: [Paging; 2] = [rules::PAGINGS[0], rules::PAGINGS[3]];
/// Where Linux has its direct map without KASLR, with four levels and with five, and a page in it.
const DIRECT_MAP: [u64; 2] = [0xffff_8880_0123_4000, 0xff11_0000_0123_4000];
/// The frame of the first table: not the first frame, and not one of the memory that is mapped.
const FIRST: u64 = 0x77_0000;

fn frame(index: usize) -> Option<Mfn> {
    // Every second frame, to show that they need not follow one another.
    Mfn::from_number(FIRST + 2 * index as u64)
}

fn entries() -> Vec<MapEntry> {
    let ram = [(0, 0x9_f000), (MIB, 3 * GIB + 0x5000), (4 * GIB, 9 * GIB)];
    let entries = ram.map(|(start, end)| entry(start, end, E820Type::Ram));
    entries.to_vec()
}

fn alias(at: u64, page: Mfn) -> Alias {
    let at = Vaddr::new(at).expect("an address of the kernel's");
    Alias { at, page }
}

/// Tables for `entries` and, at the end, an alias; and what the root of them is.
fn tables(entries: &[MapEntry], paging: Paging, alias: Option<Alias>) -> Vec<Table> {
    let runs = rules::runs(&entries.to_vec().into());
    let nr = table_count(runs, paging).unwrap();
    let mut tables = vec![Table::EMPTY; nr + alias_table_count(paging.levels)];
    let mut scattered: Vec<&mut Table> = tables.iter_mut().collect();
    let (map, rest) = scattered.split_at_mut(nr);
    let root = build(runs, paging, map, |index, _| frame(index)).unwrap();
    assert_eq!(Some(root), frame(0));
    if let Some(alias) = alias {
        let frame = |index, _: &Table| frame(nr + index);
        link_alias(map[0], paging.levels, alias, rest, frame).unwrap();
    } else {
        tables.truncate(nr);
    }
    tables
}

fn table_at(tables: &[Table], mfn: Mfn) -> Option<&Table> {
    let index = mfn.number().checked_sub(FIRST)? / 2;
    tables.get(usize::try_from(index).ok()?)
}

fn mappings(tables: &[Table], paging: Paging) -> (Vec<Mapping>, usize) {
    let at = |mfn| table_at(tables, mfn);
    let mut all = Vec::new();
    let walked = walk(mfn(FIRST), paging.levels, at, |it| all.push(it));
    assert_eq!(walked.broken, 0);
    (all, walked.tables)
}

#[test]
fn an_alias_is_one_page_more_and_nothing_less() {
    for (paging, at) in PAGINGS.into_iter().zip(DIRECT_MAP) {
        let page = mfn(0x1234);
        let alias = alias(at, page);
        let plain = tables(&entries(), paging, None);
        let more = tables(&entries(), paging, Some(alias));
        let (before, nr_before) = mappings(&plain, paging);
        let (after, nr_after) = mappings(&more, paging);
        assert_eq!(nr_before, plain.len());
        assert_eq!(nr_after, more.len());
        let (last, identity) = after.split_last().unwrap();
        assert_eq!(identity, before);
        assert!(identity.iter().all(Mapping::is_identity));
        assert!(!last.is_identity());
        assert_eq!((last.virt, last.run.size), (at, LeafSize::Kib4));
        assert_eq!(last.run.range.start(), page.start());
        assert_eq!(last.run.range.len_bytes(), 4096);

        // A processor finds it, too.
        let walker = rules::walker(mfn(FIRST), paging, (0..).filter_map(frame), &more);
        let (leaves, _) = walker.walk();
        let last = leaves.last().unwrap();
        let width = 12 + 9 * paging.levels.number();
        assert_eq!(last.virt, at & ((1 << width) - 1));
        assert_eq!((last.phys, last.bytes), (page.start().raw(), 4096));
        assert!(!last.uncached);
    }
}

#[test]
fn what_is_taken_stays_as_it_is() {
    for (paging, at) in PAGINGS.into_iter().zip(DIRECT_MAP) {
        let alias = alias(at, mfn(1));
        let mut tables = tables(&entries(), paging, Some(alias));
        let before = tables[0].clone();
        let mut link = |nr: usize, frame: fn(usize) -> Option<Mfn>| {
            let mut more = vec![Table::EMPTY; nr];
            let frame = |index, _: &Table| frame(index);
            link_alias(&mut tables[0], paging.levels, alias, &mut more, frame)
        };
        let (have, need) = (2, paging.levels.number() - 1);
        assert_eq!(link(4, frame), Err(BuildError::AliasTaken { at }));
        assert_eq!(link(2, frame), Err(BuildError::TooFewTables { have, need }));
        assert!(matches!(link(4, |_| None), Err(BuildError::NoFrame { .. })));
        assert!(tables[0] == before);
    }
}

#[test]
fn an_alias_is_in_the_kernels_half() {
    let below = [0x00ff_ffff_ffff_f000, 0x7fff_ffff_ffff_f000];
    for raw in [0, 0x1000, 1 << 46, 1 << 55].into_iter().chain(below) {
        assert_eq!(Vaddr::new(raw), None, "{raw:#x}");
    }
    for raw in DIRECT_MAP.into_iter().chain([u64::MAX & !0xfff]) {
        assert_eq!(Vaddr::new(raw).map(Vaddr::raw), Some(raw));
    }
}

#[test]
fn nonsense_is_counted_and_does_not_end_the_walk() {
    let mut tables = tables(&entries(), PAGINGS[0], None);
    // The second entry of the root leads on to a frame that holds no table.
    let mut raw = *tables[0].entries();
    raw[1] = 0x0f00_0023;
    // A page of 512 GiB, which no processor has.
    raw[2] = 0xe3;
    tables[0] = Table::of(raw);
    let at = |mfn| table_at(&tables, mfn);
    let mut nr = 0;
    let walked = walk(mfn(FIRST), Levels::Four, at, |_| nr += 1);
    assert_eq!(walked.broken, 2);
    assert!(nr > 3);
}

proptest! {
    #[test]
    fn a_walk_finds_what_was_to_be_mapped(
        ranges in prop::collection::vec((0u64..1 << 24, 1u64..1 << 22), 0..12),
        five in any::<bool>(),
    ) {
        let entries: Vec<_> = ranges.iter().map(|&(page, nr)| raw_entry(page << 12, nr << 12, 1)).collect();
        let paging = PAGINGS[usize::from(five)];
        let wanted: Vec<_> = leaf_runs(rules::runs(&entries.clone().into()), paging).collect();
        let (found, _) = mappings(&tables(&entries, paging, None), paging);
        prop_assert!(found.iter().all(Mapping::is_identity));
        let found: Vec<_> = found.into_iter().map(|it| it.run).collect();
        prop_assert_eq!(found, wanted);
    }
}
