//! Every edge of every page size (ARCHITECTURE.md, rule 3).

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
    let mut edges = Vec::new();
    for at in [0, MIB2, 2 * MIB2, 3 * MIB2] {
        edges.extend(around(&[PAGE], at));
    }
    for at in [GIB, 2 * GIB, 3 * GIB] {
        edges.extend(around(&[PAGE, MIB2], at));
    }
    edges.sort_unstable();
    edges.dedup();
    for (nr, &start) in edges.iter().enumerate() {
        for &end in &edges[nr + 1..] {
            rules::check(&one((start, end)));
        }
    }
}

#[test]
fn runs_around_what_four_and_five_levels_reach() {
    for at in [1 << 39, 1 << 47, 1 << 48, model::END - GIB, model::END] {
        for start in around(&[PAGE, MIB2, GIB], at) {
            for end in around(&[PAGE, MIB2, GIB], at) {
                if start < end && end <= model::END {
                    rules::check(&one((start, end)));
                }
            }
        }
    }
}

#[test]
fn two_runs_that_share_tables() {
    // One ends and the next begins within the same 2 MiB, GiB, 512 GiB.
    for at in [2 * MIB2, GIB, 512 * GIB] {
        for gap in [PAGE, MIB2, GIB] {
            for below in [PAGE, MIB2, 2 * GIB] {
                let input = Input {
                    write_back: vec![
                        (at.saturating_sub(below), at + PAGE),
                        (at + PAGE + gap, at + PAGE + gap + below),
                    ],
                    // And one that differs, right behind.
                    uncached: vec![(at + PAGE + gap + below, at + gap + 3 * below)],
                    ..Input::default()
                };
                rules::check(&input);
            }
        }
    }
}

#[test]
fn nothing_below_2_mib_is_in_a_large_page() {
    let input = one((0, 4 * GIB));
    let runs = rules::runs(&input);
    for paging in PAGINGS {
        let shown: Vec<String> = leaf_runs(runs, paging).map(line).collect();
        let above = if paging.gib_pages {
            vec!["200000-40000000 2M WB", "40000000-100000000 1G WB"]
        } else {
            vec!["200000-100000000 2M WB"]
        };
        let below = ["0-a0000 4K WB", "a0000-100000 4K UC", "100000-200000 4K WB"];
        assert_eq!(shown, [&below[..], &above].concat());
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
