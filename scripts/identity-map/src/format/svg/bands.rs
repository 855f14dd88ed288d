//! Groups spans into bands: the parts of the axis, few enough for each to be read.
//!
//! Two things make a band of several spans. Where nothing is mapped, holes and reserved windows
//! follow each other by the dozen, and nobody wants a line for each. And a machine may simply have
//! more spans than a picture has room for; then the smallest neighbours go together.

use rkexec::addr::PHYS_BITS;
use rkexec::range::{MaRange, Range};

use super::spans::Span;

/// So many bands a picture has at most.
pub(super) const MAX_BANDS: usize = 56;

/// So many unmapped spans in a row are still shown one by one.
const MAX_UNMAPPED: usize = 3;

/// Neighbouring spans that share a part of the axis; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Band {
    pub(super) range: MaRange,
    pub(super) spans: Vec<Span>,
}

impl From<Span> for Band {
    fn from(span: Span) -> Self {
        Self {
            range: span.range,
            spans: vec![span],
        }
    }
}

impl Band {
    fn is_unmapped(&self) -> bool {
        self.spans.iter().all(|span| span.piece.is_none())
    }

    /// The range of the two, the one behind the other.
    fn range_with(&self, next: &Self) -> MaRange {
        // Never `None`: it is behind.
        Range::new(self.range.start(), next.range.end()).unwrap_or(self.range)
    }

    /// Takes the next band in.
    fn absorb(&mut self, next: Self) {
        self.range = self.range_with(&next);
        self.spans.extend(next.spans);
    }
}

/// The bands of spans that follow each other without gaps.
pub(super) fn bands(spans: Vec<Span>) -> Vec<Band> {
    let single: Vec<Band> = spans.into_iter().map(Band::from).collect();
    let in_a_row = single.chunk_by(|one, next| one.is_unmapped() && next.is_unmapped());
    let mut bands = Vec::new();
    for row in in_a_row {
        if row.len() > MAX_UNMAPPED {
            bands.extend(row.iter().cloned().reduce(|mut all, next| {
                all.absorb(next);
                all
            }));
        } else {
            bands.extend_from_slice(row);
        }
    }
    squeeze(bands, MAX_BANDS)
}

/// Joins neighbours, those that make the smallest bands first, until there are no more than `max`.
fn squeeze(mut bands: Vec<Band>, max: usize) -> Vec<Band> {
    for exponent in 0..=PHYS_BITS {
        let mut too_many = bands.len().saturating_sub(max);
        if too_many == 0 {
            break;
        }
        let mut joined: Vec<Band> = Vec::with_capacity(bands.len());
        for band in bands {
            match joined.last_mut() {
                Some(last)
                    if too_many > 0 && last.range_with(&band).len_bytes() <= 1 << exponent =>
                {
                    last.absorb(band);
                    too_many -= 1;
                }
                _ => joined.push(band),
            }
        }
        bands = joined;
    }
    bands
}
