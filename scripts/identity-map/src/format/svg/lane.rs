//! What the two lanes have in common: neighbours that belong together are one box.

use rkexec::range::{MaRange, Range};

use super::bands::Band;
use super::canvas::{Anchor, Canvas, Font, Rect};
use super::scale::Scale;
use super::spans::Span;

/// Half of what lies between two boxes, in px.
pub(super) const GAP: f64 = 1.0;

/// What a text stays away from the sides of its box, in px.
const PADDING: f64 = 7.0;

/// The width of the stripes in a box of several owners, and the least height of one, in px.
const STRIPE_WIDTH: f64 = 30.0;
const THINNEST: f64 = 1.0;

/// A part of a lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LaneBox {
    pub(super) range: MaRange,
    pub(super) content: Content,
}

/// Who owns the bytes of a box; an owner is an index that means something to the lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// One owner all of it, or nobody.
    One(Option<usize>),
    /// Several: a band that was made of more than one span. Neighbours differ.
    Several(Vec<(MaRange, Option<usize>)>),
}

/// The boxes of a lane whose owners are told by `owner`, from the top down and without gaps.
pub(super) fn boxes(bands: &[Band], owner: impl Fn(&Span) -> Option<usize>) -> Vec<LaneBox> {
    let mut boxes: Vec<LaneBox> = Vec::new();
    for band in bands {
        let mut parts: Vec<(MaRange, Option<usize>)> = Vec::new();
        for span in &band.spans {
            match parts.last_mut() {
                Some((range, last)) if *last == owner(span) => *range = join(*range, span.range),
                _ => parts.push((span.range, owner(span))),
            }
        }
        let content = match parts[..] {
            [(_, one)] => Content::One(one),
            _ => Content::Several(parts),
        };
        match boxes.last_mut() {
            Some(last) if matches!(content, Content::One(_)) && last.content == content => {
                last.range = join(last.range, band.range);
            }
            _ => boxes.push(LaneBox {
                range: band.range,
                content,
            }),
        }
    }
    boxes
}

/// The range of two neighbours.
fn join(first: MaRange, second: MaRange) -> MaRange {
    // Never `None`: the second is behind the first.
    Range::new(first.start(), second.end()).unwrap_or(first)
}

/// Where a range is in a lane.
pub(super) fn rect(scale: &Scale, range: MaRange, x: f64, width: f64) -> Rect {
    let y = scale.y(range.start());
    Rect {
        x,
        y,
        width,
        height: scale.y(range.end()) - y,
    }
    .inset(GAP)
}

/// Where a range is in a box of several owners: at its left, true to scale, but never invisible.
pub(super) fn stripe(scale: &Scale, range: MaRange, inside: Rect) -> Rect {
    let y = scale.y(range.start()).max(inside.y);
    let bottom = scale.y(range.end()).min(inside.y + inside.height);
    Rect {
        x: inside.x,
        y: y.min(inside.y + inside.height - THINNEST),
        width: STRIPE_WIDTH,
        height: (bottom - y).max(THINNEST),
    }
}

/// Writes what is in a box, at its left and at its right, as far as there is room.
pub(super) fn label(canvas: &mut Canvas, rect: Rect, left: &str, right: &str) {
    if !rect.has_room() {
        return;
    }
    let y = rect.y + rect.height / 2.0;
    let (start, end) = (rect.x + PADDING, rect.x + rect.width - PADDING);
    let room = end - start - Font::Label.width(left) - PADDING;
    let right = if Font::Label.width(right) <= room {
        right
    } else {
        ""
    };
    for (x, anchor, text) in [(start, Anchor::Start, left), (end, Anchor::End, right)] {
        if !text.is_empty() {
            canvas.text(x, y, Font::Label, anchor, text);
        }
    }
}

/// Writes what is in a box that has stripes at its left.
pub(super) fn label_beside_stripes(canvas: &mut Canvas, rect: Rect, left: &str, right: &str) {
    let beside = Rect {
        x: rect.x + STRIPE_WIDTH,
        width: rect.width - STRIPE_WIDTH,
        ..rect
    };
    label(canvas, beside, left, right);
}

/// `0x1000 to 0x1fff: usable`, as in a memory map.
pub(super) fn tooltip(range: MaRange, what: &str) -> String {
    let (start, last) = (range.start().raw(), range.end().raw().saturating_sub(1));
    format!("{start:#x} to {last:#x}: {what}")
}
