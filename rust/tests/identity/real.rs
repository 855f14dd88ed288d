//! All rules on the memory maps of real machines.

use rkexec::identity::{leaf_runs, table_count, Attr};

use super::maps;
use super::model::Input;
use super::rules::{self, PAGINGS};

fn input(name: &str) -> Input {
    maps::named(name).entries.into()
}

fn tables(input: &Input, paging: usize) -> usize {
    let runs = rules::runs(input);
    table_count(runs, PAGINGS[paging]).expect("a number of tables")
}

#[test]
fn every_rule_holds_for_every_machine() {
    let maps = maps::all();
    assert_eq!(maps.len(), 46);
    for map in maps {
        println!("{}", map.name);
        rules::check(&map.entries.into());
    }
}

#[test]
fn every_rule_holds_with_segments_and_devices_beside_the_map() {
    for map in maps::all() {
        println!("{}", map.name);
        rules::check(&Input {
            entries: map.entries,
            // A segment across the end of low memory, EFI tables, a UART.
            write_back: vec![(0x9_f000, 0x10_1000), (0x7eed_e018, 0x7eed_e090)],
            uncached: vec![(0xfe03_4000, 0xfe03_4100), (0xfed8_0000, 0xfed8_1000)],
        });
    }
}

/// Worked out by hand: the root; a PDPT for each half TiB (the last bytes lie above 512 GiB); PDs
/// for the first two GiB and for the last GiB of either half; PTs for 0 and for where memory ends
/// or begins (in 6d800000, 74a00000, 74e00000, 77e00000). RAM and ACPI tables meet at 6d7ec000,
/// which takes none.
#[test]
fn the_large_epyc_takes_as_few_tables_as_can_be() {
    let epyc = input("10-");
    assert_eq!(tables(&epyc, 0), 1 + 2 + 4 + 5);
    assert_eq!(tables(&epyc, 2), 1 + 1 + 2 + 4 + 5, "five levels");
    // Without pages of 1 GiB, a PD for each: two below 4 GiB, and 4 to 514 GiB.
    assert_eq!(tables(&epyc, 1), 1 + 2 + 2 + 510 + 5);
}

#[test]
fn grown_to_64_tib_it_takes_a_pdpt_more_for_each_half_tib() {
    let epyc = input("10-");
    let entries = maps::grown_to_64_tib(&epyc.entries);
    let added = maps::ram_bytes(&entries) - maps::ram_bytes(&epyc.entries);
    assert_eq!(added, (64 << 40) - (512 << 30));
    let grown = entries.into();
    assert_eq!(tables(&grown, 0), tables(&epyc, 0) + 127);
    rules::check(&grown);
}

#[test]
fn ram_in_the_legacy_range_is_mapped_as_the_devices_that_are_there() {
    // Its map calls everything up to 0xeffff usable.
    let board = input("01-");
    assert_eq!(
        rules::stretches(&board),
        [
            (0, 0xa_0000, Attr::WriteBack),
            (0xa_0000, 0x10_0000, Attr::Uncached),
            (0x20_0000, 0x2010_0000, Attr::WriteBack),
        ]
    );
}

#[test]
fn ram_in_two_entries_that_meet_inside_a_page_is_still_ram() {
    // The kernel's extended map splits usable memory at addresses such as 0x590d8018.
    let split = input("14-");
    let whole = input("13-");
    assert_eq!(rules::stretches(&split), rules::stretches(&whole));
    assert_eq!(tables(&split, 0), tables(&whole, 0));
}

#[test]
fn the_end_of_ram_in_the_middle_of_a_page_is_left_out() {
    // RAM ends at 0x9cc00, and nothing else has the rest of that page.
    let server = input("08-");
    assert_eq!(rules::stretches(&server)[0], (0, 0x9_c000, Attr::WriteBack));
}

#[test]
fn there_are_at_most_five_lines_for_a_run() {
    for map in maps::all() {
        let runs = rules::runs(&map.entries.into());
        for paging in PAGINGS {
            assert!(leaf_runs(runs, paging).count() <= 5 * runs.iter().count());
        }
    }
}
