//! Page tables that nobody has built well, to what they map: as a processor reads them, entry by entry.

use std::cell::Cell;
use std::collections::BTreeMap;

use rkexec::addr::Mfn;
use rkexec::identity::{walk, Attr, Levels, Mapping, Table};

use crate::common::mfn;
use crate::{Bytes, Input};

/// Tables that lead to each other would be read for ever.
const MOST_LOOKS: u32 = 300;
const MOST_TABLES: u8 = 7;
const FIRST_FRAME: u64 = 0x100;

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let levels = match input.number() {
        true => Levels::Five,
        false => Levels::Four,
    };
    let mut tables = vec![[0; 512]; usize::from(input.up_to(MOST_TABLES))];
    while !input.is_empty() {
        let (table, index): (u8, u16) = (input.number(), input.number());
        let entry = input.number();
        let count = tables.len().max(1);
        if let Some(table) = tables.get_mut(usize::from(table) % count) {
            table[usize::from(index) % 512] = entry;
        }
    }
    let frames = FIRST_FRAME..;
    let tables: BTreeMap<u64, Table> = frames.zip(tables.into_iter().map(Table::of)).collect();

    let looks = Cell::new(0);
    let table_at = |frame: Mfn| {
        looks.set(looks.get() + 1);
        tables.get(&frame.number()).filter(|_| looks.get() <= MOST_LOOKS)
    };
    let mut found = Vec::new();
    let walked = walk(mfn(FIRST_FRAME), levels, table_at, |mapping| found.push(mapping));
    let mut oracle = Processor {
        tables: &tables,
        looks: 0,
        seen: 0,
        broken: 0,
        pages: Vec::new(),
    };
    oracle.table(FIRST_FRAME, levels.number() as u32, 0);
    assert_eq!((walked.tables, walked.broken), (oracle.seen, oracle.broken));
    let width = 12 + 9 * levels.number() as u32;
    let pages = oracle.pages.into_iter().map(|mut page| {
        if page.0 >> (width - 1) != 0 {
            page.0 |= u64::MAX << width;
        }
        page
    });
    assert!(pages.eq(found.iter().flat_map(pages_of)));
    // Those that go on are one.
    let apart = |pair: &[Mapping]| {
        let [a, b] = [pair[0], pair[1]];
        let goes_on = a.run.range.end() == b.run.range.start()
            && a.virt.wrapping_add(a.run.range.len_bytes()) == b.virt
            && b.virt != 0;
        !goes_on || (a.run.size, a.run.attr) != (b.run.size, b.run.attr)
    };
    assert!(found.windows(2).all(apart));
}

/// Virtual and machine address, bytes, and whether it is uncached.
type Page = (u64, u64, u64, bool);

fn pages_of(mapping: &Mapping) -> impl Iterator<Item = Page> {
    let (range, size) = (mapping.run.range, mapping.run.size.bytes());
    let (virt, uncached) = (mapping.virt, mapping.run.attr == Attr::Uncached);
    (0..range.len_bytes() / size)
        .map(move |nr| (virt + nr * size, range.start().raw() + nr * size, size, uncached))
}

/// The same once more.
struct Processor<'a> {
    tables: &'a BTreeMap<u64, Table>,
    looks: u32,
    seen: usize,
    broken: usize,
    pages: Vec<Page>,
}

impl Processor<'_> {
    fn table(&mut self, frame: u64, level: u32, base: u64) {
        self.looks += 1;
        let table = self.tables.get(&frame);
        let Some(table) = table.filter(|_| self.looks <= MOST_LOOKS) else {
            self.broken += 1;
            return;
        };
        self.seen += 1;
        let bytes = 1u64 << (12 + 9 * (level - 1));
        for (index, &entry) in (0..).zip(table.entries()) {
            let virt = base + index * bytes;
            let (address, uncached) = (entry & 0x000f_ffff_ffff_f000, entry & 0x10 != 0);
            match (entry & 1, (entry >> 7) & 1, level) {
                (0, ..) => {}
                (_, _, 1) | (_, 1, 2 | 3) => {
                    self.pages.push((virt, address & !(bytes - 1), bytes, uncached));
                }
                (_, 0, _) => self.table(address >> 12, level - 1, virt),
                _ => self.broken += 1,
            }
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let entry = |to: Bytes, table, index, entry| to.byte(table).half(index).word(entry);
    let at = |nr: u64| (FIRST_FRAME + nr) << 12;
    let four = |five: u8| {
        let mut to = Bytes::new().byte(five).byte(5);
        for nr in 1..4 + u64::from(five) {
            to = entry(to, nr as u8 - 1, 0, at(nr) | 0x23);
        }
        let last = 3 + five;
        to = entry(to, last, 16, 0x1_0063);
        to = entry(to, last, 17, 0x1_1063);
        to = entry(to, last, 18, 0x1_207b);
        entry(to, last - 1, 1, 0x20_00e3)
    };
    vec![four(0).0, four(1).0, entry(four(0), 0, 511, at(0) | 0x23).0]
}
