//! The lane of the identity map: its pages by size and by how they are accessed.

use rkexec::identity::{Attr, LeafRun, LeafSize};
use rkexec::range::MaRange;

use super::bands::Band;
use super::canvas::{Canvas, Rect};
use super::lane::{self, Content};
use super::scale::Scale;
use super::{column, palette, units};

/// Draws the pages.
pub(super) fn draw(canvas: &mut Canvas, scale: &Scale, bands: &[Band], pieces: &[LeafRun]) {
    for part in lane::boxes(bands, |span| span.piece) {
        let rect = lane::rect(scale, part.range, column::PAGES, column::PAGES_WIDTH);
        match part.content {
            Content::One(None) => {
                canvas.rect(rect, "unmapped", &lane::tooltip(part.range, "not mapped"));
                lane::label(canvas, rect, "not mapped", "");
            }
            Content::One(Some(index)) => {
                let piece = LeafRun {
                    range: part.range,
                    ..pieces[index]
                };
                pages(canvas, rect, &piece);
            }
            Content::Several(parts) => several(canvas, scale, rect, &parts, pieces),
        }
    }
}

/// Pages that reach over the columns of the tables that they do without.
fn pages(canvas: &mut Canvas, rect: Rect, leaves: &LeafRun) {
    let skipped = match leaves.size {
        LeafSize::Kib4 => 0.0,
        LeafSize::Mib2 => 1.0,
        LeafSize::Gib1 => 2.0,
    };
    let wide = Rect {
        width: rect.width + skipped * column::TABLE_WIDTH,
        ..rect
    };
    let name = name(leaves);
    canvas.rect(
        wide,
        palette::pages(leaves.size, leaves.attr),
        &lane::tooltip(leaves.range, &name),
    );
    lane::label(canvas, rect, &name, &units::bytes(leaves.range.len_bytes()));
}

/// `512 × 2 MiB`
fn name(leaves: &LeafRun) -> String {
    let nr = leaves.range.len_bytes() / leaves.size.bytes();
    let size = units::bytes(leaves.size.bytes());
    let attr = match leaves.attr {
        Attr::WriteBack => "",
        Attr::Uncached => ", uncached",
    };
    format!("{nr} \u{d7} {size}{attr}")
}

/// A band of several runs: where they are, and how much is mapped.
fn several(
    canvas: &mut Canvas,
    scale: &Scale,
    rect: Rect,
    parts: &[(MaRange, Option<usize>)],
    pieces: &[LeafRun],
) {
    canvas.plain_rect(rect, "several");
    let (mut nr, mut bytes) = (0, 0);
    for &(range, owner) in parts {
        let Some(index) = owner else { continue };
        let leaves = LeafRun {
            range,
            ..pieces[index]
        };
        let tooltip = lane::tooltip(range, &name(&leaves));
        canvas.rect(
            lane::stripe(scale, range, rect),
            palette::pages(leaves.size, leaves.attr),
            &tooltip,
        );
        nr += 1;
        bytes += range.len_bytes();
    }
    let name = units::count(nr, "run");
    lane::label_beside_stripes(canvas, rect, &name, &units::bytes(bytes));
}
