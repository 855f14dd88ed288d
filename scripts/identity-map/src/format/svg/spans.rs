//! Cuts the address space wherever something changes: the smallest parts that the picture has.

use std::cmp::Reverse;

use rkexec::addr::Maddr;
use rkexec::identity::{LeafRun, Origin, Rule};
use rkexec::memmap::MapEntry;
use rkexec::range::{MaRange, Range};

use super::table_pages::ENTRIES;

/// Bytes that are the same in every respect; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) range: MaRange,
    /// The entry of the memory map that decides what they are, by its index.
    pub(super) entry: Option<usize>,
    /// The piece ([`pieces`]) that maps them, by its index.
    pub(super) piece: Option<usize>,
}

/// Cuts runs of leaves where the first table begins that they fill, and where the last one ends.
///
/// A piece lies in one table, or it is all that is in several.
pub(super) fn pieces(leaf_runs: &[LeafRun]) -> Vec<LeafRun> {
    let mut pieces = Vec::new();
    for run in leaf_runs {
        let tables = run.range.round_in(run.size.bytes() * ENTRIES);
        let cuts = [
            run.range.start(),
            tables.start(),
            tables.end(),
            run.range.end(),
        ];
        // In a run that lies within a table there is nothing to cut at; both are not above it.
        let cuts = cuts.into_iter().filter(|&cut| cut >= run.range.start());
        let cuts = sorted(cuts.collect());
        pieces.extend(between(&cuts).map(|range| LeafRun { range, ..*run }));
    }
    pieces
}

/// The spans from address 0 to the last byte that the memory map or a page knows, without gaps.
pub(super) fn spans(entries: &[MapEntry], pieces: &[LeafRun]) -> Vec<Span> {
    let ranges = entries.iter().map(|entry| entry.range());
    let ranges = ranges.chain(pieces.iter().map(|piece| piece.range));
    let ends = ranges.filter(|range| !range.is_empty());
    let ends = ends.flat_map(|range| [range.start(), range.end()]);
    let cuts = sorted([Maddr::ZERO].into_iter().chain(ends).collect());
    let covers = |range: MaRange| move |other: MaRange| other.covers(range);
    between(&cuts)
        .map(|range| Span {
            range,
            entry: deciding_entry(entries, range),
            piece: pieces.iter().position(|piece| covers(range)(piece.range)),
        })
        .collect()
}

/// The entry that decides what `range` is, no part of which differs from another.
fn deciding_entry(entries: &[MapEntry], range: MaRange) -> Option<usize> {
    let covering = entries.iter().enumerate();
    covering
        .filter(|(_, entry)| entry.range().covers(range))
        .min_by_key(|(_, entry)| Reverse(Rule::of(Origin::Map(entry.kind()))))
        .map(|(index, _)| index)
}

/// In order, each once.
fn sorted(mut cuts: Vec<Maddr>) -> Vec<Maddr> {
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// The ranges between neighbouring cuts.
fn between(cuts: &[Maddr]) -> impl Iterator<Item = MaRange> + '_ {
    cuts.windows(2)
        .filter_map(|pair| Range::new(pair[0], pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rkexec::addr::Addr;
    use rkexec::identity::{Attr, LeafSize};

    #[test]
    fn runs_are_cut_at_the_ends_of_the_tables_that_they_fill() {
        const GIB: u64 = 1 << 30;
        const TABLE: u64 = 512 * GIB;
        let cases: [(u64, u64, &[u64]); 5] = [
            (GIB, 2 * GIB, &[]),
            (0, TABLE, &[]),
            (GIB, TABLE + GIB, &[TABLE]),
            (0, 3 * TABLE + GIB, &[3 * TABLE]),
            (GIB, 3 * TABLE + GIB, &[TABLE, 3 * TABLE]),
        ];
        for (start, end, cuts) in cases {
            let address = |raw| Addr::new(raw).expect("an address");
            let run = LeafRun {
                range: Range::new(address(start), address(end)).expect("a range"),
                size: LeafSize::Gib1,
                attr: Attr::WriteBack,
            };
            let pieces = pieces(&[run]);
            let starts = pieces.iter().map(|piece| piece.range.start().raw());
            assert_eq!(starts.skip(1).collect::<Vec<_>>(), cuts);
            assert_eq!(pieces[pieces.len() - 1].range.end(), run.range.end());
        }
    }
}
