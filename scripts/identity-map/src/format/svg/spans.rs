//! Cuts the address space wherever something changes: the smallest parts that the picture has.

use rkexec_pure::pure::addr::Maddr;
use rkexec_pure::pure::identity::LeafRun;
use rkexec_pure::pure::memmap::{Kind, MapEntry};
use rkexec_pure::pure::range::{MaRange, Range};

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

/// Cuts runs of leaves where a table begins that they fill, and where the last such table ends.
///
/// A piece lies in one table, or it is all that is in several.
pub(super) fn pieces(leaf_runs: &[LeafRun]) -> Vec<LeafRun> {
    let mut pieces = Vec::new();
    for run in leaf_runs {
        let table_bytes = run.size.bytes() * ENTRIES;
        let tables = run.range.round_in(table_bytes);
        let inner = [tables.start(), tables.end()].map(|cut| {
            let inside = run.range.contains(cut) && cut.is_aligned(table_bytes);
            if inside {
                cut
            } else {
                run.range.start()
            }
        });
        let cuts = [run.range.start(), inner[0], inner[1], run.range.end()];
        pieces.extend(between(&sorted(cuts.to_vec())).map(|range| LeafRun { range, ..*run }));
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

/// The entry that decides what `range` is, no part of which differs from another. The order is
/// that of the identity map's layers.
fn deciding_entry(entries: &[MapEntry], range: MaRange) -> Option<usize> {
    let rank = |entry: &MapEntry| match entry.kind() {
        Kind::Ram => 2,
        Kind::Reserved | Kind::Unusable | Kind::Persistent | Kind::Other(_) => 1,
        Kind::Acpi | Kind::Nvs => 0,
    };
    let covering = entries.iter().enumerate();
    covering
        .filter(|(_, entry)| entry.range().covers(range))
        .min_by_key(|(_, entry)| rank(entry))
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
