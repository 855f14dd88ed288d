//! The lane of the memory map: what its entries say.

use rkexec::memmap::MapEntry;
use rkexec::range::MaRange;

use super::bands::Band;
use super::canvas::{Canvas, Rect};
use super::lane::{self, Content};
use super::scale::Scale;
use super::{column, palette, units};

/// Draws the entries.
pub(super) fn draw(canvas: &mut Canvas, scale: &Scale, bands: &[Band], entries: &[MapEntry]) {
    for part in lane::boxes(bands, |span| span.entry) {
        let rect = lane::rect(scale, part.range, column::MEMORY, column::MEMORY_WIDTH);
        match part.content {
            Content::One(None) => hole(canvas, rect, part.range),
            Content::One(Some(index)) => entry(canvas, rect, part.range, &entries[index]),
            Content::Several(parts) => several(canvas, scale, rect, &parts, entries),
        }
    }
}

/// Addresses that no entry has.
fn hole(canvas: &mut Canvas, rect: Rect, range: MaRange) {
    canvas.rect(rect, "nothing", &lane::tooltip(range, "hole"));
    lane::label(canvas, rect, "hole", &units::bytes(range.len_bytes()));
}

fn entry(canvas: &mut Canvas, rect: Rect, range: MaRange, entry: &MapEntry) {
    let kind = entry.kind();
    let name = kind.to_string();
    canvas.rect(rect, palette::kind(kind), &lane::tooltip(range, &name));
    lane::label(canvas, rect, &name, &units::bytes(range.len_bytes()));
}

/// A band of several entries: where they are, and how many of which kind.
fn several(
    canvas: &mut Canvas,
    scale: &Scale,
    rect: Rect,
    parts: &[(MaRange, Option<usize>)],
    entries: &[MapEntry],
) {
    let owned = || {
        let owned = parts.iter();
        owned.filter_map(|&(range, owner)| Some((range, &entries[owner?])))
    };
    canvas.plain_rect(rect, "several");
    for (range, entry) in owned() {
        let kind = entry.kind();
        let stripe = lane::stripe(scale, range, rect);
        canvas.rect(
            stripe,
            palette::kind(kind),
            &lane::tooltip(range, &kind.to_string()),
        );
    }
    let bytes: u64 = owned().map(|(range, _)| range.len_bytes()).sum();
    let mut kinds: Vec<_> = owned().map(|(_, entry)| entry.kind().to_string()).collect();
    let nr = kinds.len();
    kinds.dedup();
    let name = match &kinds[..] {
        [kind] => format!("{nr} \u{d7} {kind}"),
        _ => format!("{nr} entries"),
    };
    lane::label_beside_stripes(canvas, rect, &name, &units::bytes(bytes));
}
