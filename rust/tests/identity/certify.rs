//! What is wrong with tables that somebody has spoilt.

use rkexec::addr::Mfn;
use rkexec::identity::{
    alias_table_count, build, link_alias, table_count, Alias, Finished, Flaw, Paging, Table, Vaddr,
};
use rkexec::memmap::E820Type;

use super::model::Input;
use super::rules;
use crate::common::{entry, ma, mfn, range, GIB, MIB};

/// The frame of the first table; the others follow. A bit of it more or less is none of the others.
const FIRST: u64 = 0x7700;
/// Where Linux has its direct map without KASLR, with four levels and with five.
const DIRECT_MAP: [u64; 2] = [0xffff_8880_0123_4000, 0xff11_0000_0123_4000];

/// Pages of all sizes, of both memory types, beside holes.
fn input() -> Input {
    Input {
        entries: vec![
            entry(0, 0x9_f000, E820Type::Ram),
            entry(MIB, 7 * MIB + 0x3000, E820Type::Ram),
            entry(2 * MIB + 0x5000, 2 * MIB + 0x6000, E820Type::Reserved),
            entry(GIB, 3 * GIB, E820Type::Ram),
        ],
        write_back: vec![(8 * MIB, 8 * MIB + 1)],
        uncached: vec![(4 * GIB - MIB, 4 * GIB)],
    }
}

struct Built {
    tables: Vec<Table>,
    paging: Paging,
    alias: Option<Alias>,
}

impl Built {
    fn new(paging: Paging) -> Self {
        let runs = rules::runs(&input());
        let mut tables = vec![Table::EMPTY; table_count(runs, paging).unwrap()];
        build(runs, paging, &mut tables, rules::chunk_at(FIRST)).unwrap();
        Self {
            tables,
            paging,
            alias: None,
        }
    }

    /// The same, and a page at another address too.
    fn with_alias(paging: Paging, at: u64) -> Self {
        let mut built = Self::new(paging);
        let alias = Alias {
            at: Vaddr::new(at).unwrap(),
            page: mfn(0x1234),
        };
        let nr = built.tables.len();
        let mut more = vec![Table::EMPTY; alias_table_count(paging.levels)];
        let frame = rules::chunk_at(FIRST + nr as u64);
        link_alias(&mut built.tables[0], paging.levels, alias, &mut more, frame).unwrap();
        built.tables.extend(more);
        built.alias = Some(alias);
        built
    }

    fn certify(&self) -> Result<(), Flaw> {
        self.certify_for(&input())
    }

    fn certify_for(&self, input: &Input) -> Result<(), Flaw> {
        let at = |mfn: Mfn| {
            let index = mfn.number().checked_sub(FIRST)?;
            self.tables.get(usize::try_from(index).ok()?)
        };
        let finished = Finished {
            root: mfn(FIRST),
            paging: self.paging,
            number: self.tables.len(),
            alias: self.alias,
            table_at: at,
        };
        finished.certify(|| rules::said(input))
    }

    /// Changes an entry.
    fn change(&mut self, table: usize, index: usize, change: impl Fn(u64) -> u64) {
        let mut raw = *self.tables[table].entries();
        raw[index] = change(raw[index]);
        self.tables[table] = Table::of(raw);
    }
}

/// With an alias and without, of every shape.
fn all() -> Vec<Built> {
    let plain = rules::PAGINGS.into_iter().map(Built::new);
    let with_alias = rules::PAGINGS.into_iter().map(|paging| {
        let five = usize::from(paging.levels.number() == 5);
        Built::with_alias(paging, DIRECT_MAP[five])
    });
    plain.chain(with_alias).collect()
}

#[test]
fn what_was_built_is_certified() {
    for built in all() {
        assert_eq!(built.certify(), Ok(()), "{:?}", built.paging);
    }
}

/// Each bit counts, also those that processors ignore and those that they set themselves: nobody else writes to
/// these tables.
#[test]
fn every_bit_that_is_turned_is_seen() {
    let mut turned = 0;
    for mut built in all() {
        for table in 0..built.tables.len() {
            for (index, bit) in (0..512).flat_map(|index| (0..64).map(move |bit| (index, bit))) {
                // Of those that are alike: the edges, and some between.
                let kind = |index: usize| built.tables[table].entries()[index] & 0xfff;
                let is_edge = index == 0 || kind(index) != kind(index - 1);
                if !is_edge && !matches!(index, 1 | 509..) && index % 61 != 0 {
                    continue;
                }
                built.change(table, index, |it| it ^ (1 << bit));
                let found = built.certify();
                assert!(
                    found.is_err(),
                    "bit {bit} of entry {index} of table {table}"
                );
                built.change(table, index, |it| it ^ (1 << bit));
                turned += 1;
            }
        }
        assert_eq!(built.certify(), Ok(()));
    }
    assert!(turned > 50_000, "{turned}");
}

#[test]
fn the_flaw_has_its_name_and_its_place() {
    // The last level of the first 2 MiB comes last on the way down to it.
    let low = |built: &Built| {
        let first = |table: &Table| table.entries()[0] & 0xfff == 0x63 && table.entries()[511] != 0;
        built.tables.iter().position(first).unwrap()
    };
    let spoilt = |change: &dyn Fn(&mut Built, usize)| {
        let mut built = Built::new(rules::PAGINGS[0]);
        let table = low(&built);
        change(&mut built, table);
        built.certify()
    };
    let at = |page: u64| ma(page * 4096);
    let set = |index: usize, to: u64| {
        move |built: &mut Built, table: usize| built.change(table, index, |_| to)
    };
    assert_eq!(spoilt(&set(3, 0)), Err(Flaw::Missing(at(3))));
    assert_eq!(spoilt(&set(0x9f, 0x9_f063)), Err(Flaw::Stray(at(0x9f))));
    assert_eq!(spoilt(&set(0xa0, 0xa_0063)), Err(Flaw::Attribute(at(0xa0))));
    assert_eq!(spoilt(&set(3, 0x307b)), Err(Flaw::Attribute(at(3))));
    assert_eq!(spoilt(&set(3, 0x4063)), Err(Flaw::Elsewhere(at(4))));
    // Not executable; global; what is left to software; not accessed.
    for bits in [1 << 63, 1 << 8, 1 << 9, 0x20] {
        let turn = |built: &mut Built, table: usize| built.change(table, 3, |it| it ^ bits);
        assert_eq!(spoilt(&turn), Err(Flaw::Entries(1)), "{bits:#x}");
    }
    let large = spoilt(&|built, table| {
        let frame = mfn(FIRST + table as u64).start().raw();
        let parents = built.tables.iter().map(|it| it.entries()[0]);
        let parent = parents.clone().position(|it| it & !0xfff == frame).unwrap();
        built.change(parent, 0, |_| 0xe3);
    });
    assert_eq!(large, Err(Flaw::PageSize(ma(0))));
}

#[test]
fn a_page_that_the_processor_does_not_have_is_too_large() {
    let mut built = Built::new(rules::PAGINGS[0]);
    built.paging.gib_pages = false;
    assert_eq!(built.certify(), Err(Flaw::PageSize(ma(GIB))));
}

#[test]
fn all_tables_are_come_to_and_none_twice() {
    let mut built = Built::new(rules::PAGINGS[0]);
    let wanted = built.tables.len() + 1;
    built.tables.push(Table::EMPTY);
    let found = wanted - 1;
    assert_eq!(built.certify(), Err(Flaw::Tables { found, wanted }));
    // An empty one below an entry that maps nothing maps nothing either.
    let frame = mfn(FIRST + found as u64).start().raw();
    for (index, result) in [
        (300, Ok(())),
        (
            301,
            Err(Flaw::Tables {
                found: wanted + 1,
                wanted,
            }),
        ),
    ] {
        built.change(0, index, |_| frame | 0x23);
        assert_eq!(built.certify(), result);
    }
}

#[test]
fn an_alias_is_where_it_is_to_be_and_nowhere_else() {
    let paging = rules::PAGINGS[0];
    let mut built = Built::new(paging);
    let alias = Built::with_alias(paging, DIRECT_MAP[0]).alias;
    built.alias = alias;
    assert_eq!(built.certify(), Err(Flaw::NoAlias));
    let mut built = Built::with_alias(paging, DIRECT_MAP[0]);
    built.alias = None;
    assert_eq!(built.certify(), Err(Flaw::Elsewhere(mfn(0x1234).start())));
    let mut built = Built::with_alias(paging, DIRECT_MAP[0]);
    let last = built.tables.len() - 1;
    built.change(last, 0x34, |it| it ^ 0x18);
    assert!(built.certify().is_err());
}

#[test]
fn tables_for_another_map_are_refused() {
    let built = Built::new(rules::PAGINGS[0]);
    let mut other = input();
    other.entries[3] = entry(GIB, 3 * GIB + 0x1000, E820Type::Ram);
    assert_eq!(built.certify_for(&other), Err(Flaw::Missing(ma(3 * GIB))));
    other.entries[3] = entry(GIB, 3 * GIB - 0x1000, E820Type::Ram);
    let end = range(0, 3 * GIB - 0x1000).end();
    assert_eq!(built.certify_for(&other), Err(Flaw::Stray(end)));
}
