//! From addresses to places: a broken scale.

use rkexec::addr::{Maddr, PAGE_SIZE};
use rkexec::range::MaRange;

/// What the smallest band takes, in px: a line of text.
pub(super) const MIN_HEIGHT: f64 = 18.0;

/// How high the bands are together where that can be chosen, in px.
const WANTED_HEIGHT: f64 = 760.0;

/// What a band grows by when its bytes double, in px: at least, at most.
const GROWTH: (f64, f64) = (0.25, 1.6);

/// Bands from the top down, each drawn linearly.
pub(super) struct Scale {
    bands: Vec<Place>,
    top: f64,
}

/// Where a band is, in px from the top.
struct Place {
    range: MaRange,
    top: f64,
    bottom: f64,
}

impl Scale {
    /// Puts bands that follow each other without gaps one below the other, from `top` on.
    pub(super) fn new(ranges: impl Iterator<Item = MaRange>, top: f64) -> Self {
        let ranges: Vec<_> = ranges.collect();
        let all_doublings: f64 = ranges.iter().copied().map(doublings).sum();
        let spare = WANTED_HEIGHT - MIN_HEIGHT * ranges.len() as f64;
        let growth = (spare / all_doublings.max(1.0)).clamp(GROWTH.0, GROWTH.1);
        let mut bottom = top;
        let bands = ranges.into_iter().map(|range| {
            let top = bottom;
            bottom += (MIN_HEIGHT + growth * doublings(range)).round();
            Place { range, top, bottom }
        });
        Self {
            bands: bands.collect(),
            top,
        }
    }

    /// Where an address is. What lies behind the last band is at its end.
    pub(super) fn y(&self, at: Maddr) -> f64 {
        let next = self.bands.partition_point(|band| band.range.end() < at);
        let Some(band) = self.bands.get(next) else {
            return self.bottom();
        };
        let offset = at.checked_offset_from(band.range.start()).unwrap_or(0);
        // CAST: a place in a picture need not be exact.
        let part = offset as f64 / band.range.len_bytes() as f64;
        band.top + (band.bottom - band.top) * part
    }

    /// The end of the last band.
    pub(super) fn bottom(&self) -> f64 {
        self.bands.last().map_or(self.top, |band| band.bottom)
    }

    /// The number of the band in which an address is.
    pub(super) fn band(&self, at: Maddr) -> usize {
        self.bands.partition_point(|band| band.range.end() <= at)
    }

    /// The addresses between bands, with those at both ends.
    pub(super) fn borders(&self) -> impl Iterator<Item = Maddr> + '_ {
        let first = self.bands.first().map(|band| band.range.start());
        first
            .into_iter()
            .chain(self.bands.iter().map(|band| band.range.end()))
    }
}

/// How often a page doubles to be as large as the range.
fn doublings(range: MaRange) -> f64 {
    // CAST: a place in a picture need not be exact.
    (range.len_bytes() as f64 / PAGE_SIZE as f64)
        .log2()
        .max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rkexec::addr::Addr;
    use rkexec::range::Range;

    fn address(raw: u64) -> Maddr {
        Addr::new(raw).expect("an address")
    }

    fn scale(cuts: &[u64]) -> Scale {
        let ranges = cuts
            .windows(2)
            .map(|pair| Range::new(address(pair[0]), address(pair[1])));
        Scale::new(ranges.map(Option::unwrap), 100.0)
    }

    #[test]
    fn larger_bands_are_higher_and_the_smallest_holds_a_line() {
        let scale = scale(&[0, 1, 0x1000, 0x10_0000, 1 << 47]);
        let places: Vec<_> = scale.borders().map(|at| scale.y(at)).collect();
        assert_eq!(places[0], 100.0);
        assert_eq!(places[1] - places[0], MIN_HEIGHT);
        assert!(places[3] - places[2] > MIN_HEIGHT);
        assert!(places[4] - places[3] > places[3] - places[2]);
        assert_eq!(places[4], scale.bottom());
    }

    #[test]
    fn a_higher_address_is_never_higher_up() {
        let scale = scale(&[0, 0x9_f000, 0x9_fc00, 1 << 20, 5 << 30, 1 << 52]);
        let mut addresses: Vec<_> = (0..=52).flat_map(|bit| [1_u64 << bit, 3 << bit]).collect();
        addresses.retain(|&raw| raw <= 1 << 52);
        addresses.sort_unstable();
        let places: Vec<_> = addresses.iter().map(|&raw| scale.y(address(raw))).collect();
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn what_lies_behind_is_at_the_end() {
        let scale = scale(&[0, 0x1000]);
        assert_eq!(scale.y(address(0x2000)), scale.bottom());
    }
}
