//! Every edge of every page size (ARCHITECTURE.md, rule 3).

use itertools::{iproduct, Itertools};
use rkexec::identity::{leaf_runs, LeafRun};

use super::model::{self, Input};
use super::rules::{self, PAGINGS};
use crate::common::{GIB, PAGE};

const MIB2: u64 = 2 << 20;

/// Around each address where a larger page could begin or end: on it, and next to it by each
/// smaller size.
fn around(sizes: &[u64], at: u64) -> Vec<u64> {
    let mut all = vec![at];
    for size in sizes {
        all.extend([at.saturating_sub(*size), at + size]);
    }
    all
}

fn one(range: (u64, u64)) -> Input {
    Input {
        write_back: vec![range],
        ..Input::default()
    }
}

#[test]
fn runs_that_begin_and_end_around_every_size() {
    let small = [0, MIB2, 2 * MIB2, 3 * MIB2].map(|at| around(&[PAGE], at));
    let large = [GIB, 2 * GIB, 3 * GIB].map(|at| around(&[PAGE, MIB2], at));
    let edges = [small.concat(), large.concat()].concat();
    let pairs = edges.into_iter().sorted().dedup().tuple_combinations();
    pairs.for_each(|range| rules::check(&one(range)));
}

#[test]
fn runs_around_what_four_and_five_levels_reach() {
    for at in [1 << 39, 1 << 47, 1 << 48, model::END - GIB, model::END] {
        let edges = around(&[PAGE, MIB2, GIB], at);
        for (&start, &end) in iproduct!(&edges, &edges) {
            if start < end && end <= model::END {
                rules::check(&one((start, end)));
            }
        }
    }
}

#[test]
fn two_runs_that_share_tables() {
    // One ends and the next begins within the same 2 MiB, GiB, 512 GiB.
    let places = [2 * MIB2, GIB, 512 * GIB];
    for (at, gap, below) in iproduct!(places, [PAGE, MIB2, GIB], [PAGE, MIB2, 2 * GIB]) {
        let first = (at.saturating_sub(below), at + PAGE);
        let second = (first.1 + gap, first.1 + gap + below);
        rules::check(&Input {
            write_back: vec![first, second],
            // And one that differs, right behind.
            uncached: vec![(second.1, at + gap + 3 * below)],
            ..Input::default()
        });
    }
}

#[test]
fn nothing_below_2_mib_is_in_a_large_page() {
    let input = one((0, 4 * GIB));
    let runs = rules::runs(&input);
    for paging in PAGINGS {
        let shown: Vec<String> = leaf_runs(runs, paging).map(line).collect();
        let above = match paging.gib_pages {
            true => &["200000-40000000 2M WB", "40000000-100000000 1G WB"][..],
            false => &["200000-100000000 2M WB"],
        };
        let below = ["0-a0000 4K WB", "a0000-100000 4K UC", "100000-200000 4K WB"];
        assert_eq!(shown, [&below[..], above].concat());
    }
}

#[test]
fn nor_is_a_device_below_2_mib() {
    // The legacy range does not cut it in two.
    for end in [MIB2, 2 * MIB2, GIB, 2 * GIB] {
        rules::check(&Input {
            uncached: vec![(0, end)],
            ..Input::default()
        });
    }
}

fn line(run: LeafRun) -> String {
    let (start, end) = (run.range.start().raw(), run.range.end().raw());
    format!("{start:x}-{end:x} {} {}", run.size, run.attr)
}
