//! Input that no firmware should produce, and callers that bring too little (ARCHITECTURE.md, rule 6).

use itertools::iproduct;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rkexec::identity::{
    build, leaf_runs, table_count, BuildError, IdentityError, Mark, Sources, Table,
};
use rkexec::memmap::E820Type;

use super::model::{self, Input, END};
use super::rules::{self, PAGINGS};
use crate::common::{hostile_numbers, mfn, raw_entry};

#[test]
fn no_memory_at_all_still_has_the_legacy_range() {
    rules::check(&Input::default());
    let runs = rules::runs(&Input::default());
    assert_eq!(table_count(runs, PAGINGS[0]), Ok(4));
    assert_eq!(table_count(runs, PAGINGS[2]), Ok(5));
}

#[test]
fn numbers_at_the_end_of_everything() {
    for (start, len, kind) in iproduct!(hostile_numbers(), hostile_numbers(), [1, 2, 3]) {
        let odd = raw_entry(start, len, kind);
        rules::check(&Input::from(vec![odd]));
        // What is not RAM takes it away up to the very end.
        let all = raw_entry(0, u64::MAX, 1);
        rules::check(&Input::from(vec![all, odd]));
    }
}

#[test]
fn all_of_physical_memory_in_pages_of_1_gib() {
    // 8192 PDPTs: 32 MiB of tables.
    let input = Input::from(vec![raw_entry(0, u64::MAX, 1)]);
    let runs = rules::runs(&input);
    let nr = table_count(runs, PAGINGS[2]).expect("a number");
    assert_eq!(nr, 1 + 16 + 8192 + 1 + 1);
    let mut tables = vec![Table::EMPTY; nr];
    let root = build(runs, PAGINGS[2], &mut tables, rules::chunk_at(77)).expect("tables");
    let walker = rules::walker(root, PAGINGS[2], (77..).map(mfn), &tables);
    let last = walker.translate(END - 1).expect("a page");
    assert_eq!((last.virt, last.bytes), (END - (1 << 30), 1 << 30));
    assert_eq!(leaf_runs(runs, PAGINGS[2]).count(), 5);
}

#[test]
fn four_levels_say_which_memory_they_cannot_reach() {
    let entries = [(0, 1 << 30), (1 << 46, 1 << 47)].map(|(at, len)| raw_entry(at, len, 1));
    let runs = rules::runs(&entries.to_vec().into());
    let error = table_count(runs, PAGINGS[0]).expect_err("too high");
    assert_eq!(
        error.to_string(),
        "memory at [ma:0x400000000000, ma:0xc00000000000) reaches beyond ma:0x800000000000, the \
         most that page tables of four levels can map one to one"
    );
    assert!(table_count(runs, PAGINGS[2]).is_ok());
}

#[test]
fn what_is_not_ram_may_lie_where_four_levels_do_not_reach() {
    rules::check(&Input::from(vec![
        raw_entry(0, 1 << 30, 1),
        raw_entry(0xfd_0000_0000, 3 << 32, 2),
        raw_entry(1 << 50, 1 << 51, 2),
    ]));
}

#[test]
fn five_thousand_ranges_of_any_kind_on_top_of_each_other() {
    let kind = select(vec![1, 1, 1, 1, 2, 3, 4, 20]);
    let entry = (0..16u64 << 30, 0..8u64 << 20, kind);
    let entry = entry.prop_map(|(at, len, kind)| raw_entry(at, len, kind));
    let same_in_every_run = vec(entry, 5000).new_tree(&mut TestRunner::deterministic());
    check_runs(&same_in_every_run.expect("entries").current().into());
}

#[test]
fn five_thousand_pages_with_holes_between() {
    let entries: Vec<_> = (0..5000u64)
        .rev()
        .map(|nr| raw_entry((1 << 32) + nr * 8192 + 100, 4096 + 3996, 1))
        .collect();
    let input = Input::from(entries);
    check_runs(&input);
    assert_eq!(rules::stretches(&input).len(), 5001);
}

#[test]
fn five_thousand_times_the_same() {
    check_runs(&Input::from(vec![raw_entry(123, 1 << 33, 1); 5000]));
}

#[test]
fn one_block_of_ram_with_five_thousand_bytes_taken_out() {
    let mut entries = vec![raw_entry(0, 1 << 40, 1)];
    entries.extend((1..5000u64).map(|nr| raw_entry((1 << 32) + nr * 12_288 - 1, 2, 2)));
    check_runs(&entries.into());
}

/// As `rules::check`, without the walk: the model takes the square of so many ranges.
fn check_runs(input: &Input) {
    let expected = model::Model::new(input).expected();
    assert_eq!(rules::stretches(input), expected);
    let runs = rules::runs(input);
    for paging in PAGINGS {
        let nr = table_count(runs, paging).expect("a number");
        assert_eq!(nr, model::fewest_tables(&expected, paging));
        let mut tables = vec![rules::dirty_table(); nr];
        let root = build(runs, paging, &mut tables, rules::chunk_at(5)).expect("tables");
        let walker = rules::walker(root, paging, (5..).map(mfn), &tables);
        let (leaves, visited) = walker.walk();
        assert_eq!(visited.len(), nr);
        let mapped: u64 = leaves.iter().map(|leaf| leaf.bytes).sum();
        assert_eq!(mapped, expected.iter().map(|s| s.1 - s.0).sum::<u64>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_numbers_whatsoever(
        numbers in vec((any::<u64>(), any::<u64>(), 0u32..8), 0..50),
        shift in 0u32..64,
    ) {
        let entry = |&(start, len, kind)| raw_entry(start >> shift, len >> (shift / 2), kind);
        let input = Input::from(numbers.iter().map(entry).collect::<Vec<_>>());
        let expected = model::Model::new(&input).expected();
        prop_assert_eq!(rules::stretches(&input), expected);
        let runs = rules::runs(&input);
        for paging in PAGINGS {
            let _ = table_count(runs, paging);
        }
    }
}

#[test]
fn scratch_for_fewer_ranges_than_there_are_is_refused() {
    assert_eq!(
        Sources::new(&mut []).err(),
        Some(IdentityError::ScratchFull { marks: 0 })
    );
    let mut scratch = [Mark::default(); 5];
    let mut sources = Sources::new(&mut scratch).expect("room for what is always there");
    let page = raw_entry(0, 4096, 1);
    assert_eq!(sources.add_entry(page), Ok(()));
    // An empty range takes no room.
    assert_eq!(sources.add_entry(raw_entry(4096, 0, 1)), Ok(()));
    let error = sources.add_entry(page).expect_err("no room");
    assert_eq!(error, IdentityError::ScratchFull { marks: 5 });
    assert_eq!(
        error.to_string(),
        "more memory ranges than there is room for (2)"
    );
    // What was there before is still there.
    assert_eq!(sources.runs().iter().count(), 2);
}

#[test]
fn too_few_tables_are_refused_before_any_is_touched() {
    let input = Input::from(vec![raw_entry(0, 1 << 33, 1)]);
    let runs = rules::runs(&input);
    let need = table_count(runs, PAGINGS[0]).expect("a number");
    let mut tables = vec![rules::dirty_table(); need - 1];
    let before = tables.clone();
    let error = build(runs, PAGINGS[0], &mut tables, |_, _| panic!("not asked")).expect_err("few");
    let have = need - 1;
    assert_eq!(error, BuildError::TooFewTables { have, need });
    assert_eq!(tables, before);
    assert_eq!(
        error.to_string(),
        format!("the identity map takes {need} page tables, not {have}")
    );
}

#[test]
fn a_table_without_a_frame_is_an_error() {
    let input = Input::from(vec![raw_entry(0, 1 << 33, 1)]);
    let runs = rules::runs(&input);
    let mut tables = vec![Table::EMPTY; 16];
    for missing in 0..table_count(runs, PAGINGS[0]).expect("a number") {
        let built = build(runs, PAGINGS[0], &mut tables, |table, _| {
            (table != missing).then(|| mfn(0))
        });
        assert_eq!(built, Err(BuildError::NoFrame { table: missing }));
    }
}

#[test]
fn kinds_keep_their_numbers_and_have_the_names_of_the_kernels_log() {
    for raw in (0..64).chain([u32::MAX]) {
        assert_eq!(E820Type::from_raw(raw).raw(), raw);
    }
    let names = [1, 2, 3, 4, 5, 7, 20].map(|raw| E820Type::from_raw(raw).to_string());
    assert_eq!(
        names.join("/"),
        "usable/reserved/ACPI data/ACPI NVS/unusable/persistent (type 7)/type 20"
    );
}
