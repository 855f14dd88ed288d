//! Every case of a small world: a few pages, cut in halves.
//!
//! The model here is a set of bytes in the plainest sense: an array with what covers each half
//! page.

use itertools::iproduct;
use rkexec::addr::Addr;
use rkexec::identity::{Attr, Layers, Mark, Rank, Rule};
use rkexec::range::MaRange;

use crate::common;

const HALF: u64 = 2048;
/// Above anything that is special.
const BASE: u64 = 0x40_0000;
const RULES: [Rule; 4] = [
    rule(Rank::Ram, Some(Attr::WriteBack)),
    rule(Rank::Hole, None),
    rule(Rank::Named, Some(Attr::WriteBack)),
    rule(Rank::Device, Some(Attr::Uncached)),
];

const fn rule(rank: Rank, attr: Option<Attr>) -> Rule {
    Rule { rank, attr }
}

/// Start and end in half pages, and what is said of them.
type Piece = (usize, usize, Rule);

fn pieces(halves: usize) -> Vec<Piece> {
    let all = iproduct!(0..=halves, 0..=halves, RULES);
    all.filter(|(start, end, _)| start <= end).collect()
}

fn range(start: usize, end: usize) -> MaRange {
    let addr = |half: usize| BASE + half as u64 * HALF;
    common::range(addr(start), addr(end))
}

/// What each page is mapped as.
fn expected<const PAGES: usize>(pieces: &[Piece]) -> [Option<Attr>; PAGES] {
    std::array::from_fn(|page| {
        let covered = |rank: Rank, half: usize| {
            let mut of_rank = pieces.iter().filter(|piece| piece.2.rank == rank);
            of_rank.any(|piece| piece.0 <= half && half < piece.1)
        };
        let halves = [2 * page, 2 * page + 1];
        let is_ram = |half| covered(Rank::Ram, half) && !covered(Rank::Hole, half);
        let any = |rank| halves.iter().any(|&half| covered(rank, half));
        match (any(Rank::Device), any(Rank::Named)) {
            (true, _) => Some(Attr::Uncached),
            (false, true) => Some(Attr::WriteBack),
            (false, false) => halves.into_iter().all(is_ram).then_some(Attr::WriteBack),
        }
    })
}

fn check<const PAGES: usize>(pieces: &[Piece]) {
    let mut scratch = vec![Mark::default(); Layers::MARKS_PER_RANGE * pieces.len()];
    let mut layers = Layers::new(&mut scratch);
    for &(start, end, rule) in pieces {
        layers.add(rule, range(start, end)).expect("room");
    }
    let runs = layers.flatten();
    let mut found = [None; PAGES];
    let mut end = 0;
    let mut before = None;
    for run in runs.iter() {
        let page = |addr: Addr<_>| ((addr.raw() - BASE) / 4096) as usize;
        let (first, last) = (page(run.range.start()), page(run.range.end()));
        assert!(first < last, "empty: {pieces:?}");
        assert!(end <= first, "out of order: {pieces:?}");
        assert!(end < first || before != Some(run.attr), "split: {pieces:?}");
        found[first..last].fill(Some(run.attr));
        (end, before) = (last, Some(run.attr));
    }
    assert_eq!(found, expected::<PAGES>(pieces), "{pieces:?}");
    let all_mapped = |from: usize, to: usize| {
        let pages = &found[from / 2..to.div_ceil(2)];
        pages.iter().all(Option::is_some) && pages.windows(2).all(|pair| pair[0] == pair[1])
    };
    for (from, to) in [(0, 2), (1, 2), (1, 3), (2, 4), (0, 4)] {
        assert_eq!(runs.covers(range(from, to)), all_mapped(from, to));
    }
}

#[test]
fn two_ranges_in_every_position_of_four_pages() {
    let pieces = pieces(8);
    for (&a, &b) in iproduct!(&pieces, &pieces) {
        check::<4>(&[a, b]);
    }
}

#[test]
fn three_ranges_in_every_position_of_two_pages() {
    let pieces = pieces(4);
    for (&a, &b, &c) in iproduct!(&pieces, &pieces, &pieces) {
        check::<2>(&[a, b, c]);
    }
}

#[test]
fn the_rank_decides_whatever_it_says_and_in_one_rank_the_attribute() {
    let ranks = [Rank::Ram, Rank::Hole, Rank::Named, Rank::Device];
    let attrs = [None, Some(Attr::WriteBack), Some(Attr::Uncached)];
    let rules: Vec<_> = iproduct!(ranks, attrs).collect();
    for (low, &a) in rules.iter().enumerate() {
        for (&b, turned) in iproduct!(&rules[low..], [false, true]) {
            let pair = if turned { [b, a] } else { [a, b] };
            let mut scratch = [Mark::default(); 2 * Layers::MARKS_PER_RANGE];
            let mut layers = Layers::new(&mut scratch);
            for (rank, attr) in pair {
                layers.add(rule(rank, attr), range(2, 6)).expect("room");
            }
            let found = layers.flatten().iter().next();
            assert_eq!(found.map(|run| run.attr), b.1, "{pair:?}");
        }
    }
}
