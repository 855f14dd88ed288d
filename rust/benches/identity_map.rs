//! How long it takes to map a machine: 512 GiB, and the same machine grown to 64 TiB.
//!
//! `whole` is what a load does: sort the memory map, count the tables, fill them. `plan` leaves
//! out the filling, and `certify` is what comes behind it. What memory costs beyond its ranges is the tables' own bytes: 64 TiB in pages
//! of 1 GiB are 128 tables of 512 entries that nothing but writing can fill.

#![allow(missing_docs, reason = "criterion makes a public function for itself")]

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use rkexec::addr::Mfn;
use rkexec::identity::{
    build, table_count, Finished, IdentityError, Levels, Mark, Paging, Runs, Sources, Table,
};
use rkexec::memmap::MapEntry;

#[path = "../tests/identity/maps.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod maps;

const PAGING: Paging = Paging {
    levels: Levels::Four,
    gib_pages: true,
};

/// The frame of the first table.
const FIRST: u64 = 0x10_0000;

fn runs<'a>(map: &[MapEntry], scratch: &'a mut [Mark]) -> Result<Runs<'a>, IdentityError> {
    let mut sources = Sources::new(scratch)?;
    for &entry in map {
        sources.add_entry(entry)?;
    }
    Ok(sources.runs())
}

fn plan(map: &[MapEntry], scratch: &mut [Mark]) -> usize {
    let runs = runs(map, scratch).expect("room for the ranges");
    table_count(runs, PAGING).expect("a number of tables")
}

fn whole(map: &[MapEntry], scratch: &mut [Mark], tables: &mut [Table]) -> Mfn {
    let runs = runs(map, scratch).expect("room for the ranges");
    let nr = table_count(runs, PAGING).expect("a number of tables");
    build(runs, PAGING, &mut tables[..nr], |table, _| {
        Mfn::from_number(FIRST + table as u64)
    })
    .expect("tables")
}

fn certify(map: &[MapEntry], root: Mfn, tables: &[Table]) {
    let finished = Finished {
        root,
        paging: PAGING,
        number: tables.len(),
        alias: None,
        table_at: |mfn: Mfn| tables.get((mfn.number() - FIRST) as usize),
    };
    let certified = finished.certify(|| map.iter().map(MapEntry::said));
    certified.expect("what was built");
}

fn identity_map(c: &mut Criterion) {
    let epyc = maps::named("10-").entries;
    let grown = maps::grown_to_64_tib(&epyc);
    for (name, map) in [("512 GiB", &epyc), ("64 TiB", &grown)] {
        let mut scratch = vec![Mark::default(); Sources::marks_needed(map.len())];
        let nr = plan(map, &mut scratch);
        let mut tables = vec![Table::EMPTY; nr];
        let mut group = c.benchmark_group(name);
        group.bench_function("plan", |b| b.iter(|| plan(black_box(map), &mut scratch)));
        group.throughput(Throughput::Bytes(nr as u64 * 4096));
        group.bench_function("whole", |b| {
            b.iter(|| {
                let root = whole(black_box(map), &mut scratch, &mut tables);
                black_box(&tables);
                root
            });
        });
        let root = whole(map, &mut scratch, &mut tables);
        group.bench_function("certify", |b| {
            b.iter(|| certify(black_box(map), root, black_box(&tables)));
        });
        group.finish();
    }
}

criterion_group!(benches, identity_map);
criterion_main!(benches);
