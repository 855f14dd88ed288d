//! The kernel's search (`locate_mem_hole_top_down` and `_bottom_up`), in numbers that do not wrap.

use rkexec::mem_hole::{Constraints, End};
use rkexec::range::MaRange;

const PAGE: i128 = 4096;

/// First and last byte.
fn bounds(range: &MaRange) -> (i128, i128) {
    let (start, end) = (range.start().raw(), range.end().raw());
    (start.into(), i128::from(end) - 1)
}

/// Where the kernel would find a place.
pub fn find(constraints: &Constraints, ranges: &[MaRange], taken: &[MaRange]) -> Option<u64> {
    let found = |range: &MaRange| in_range(constraints, bounds(range), taken);
    let start = match constraints.from {
        End::Bottom => ranges.iter().find_map(found),
        End::Top => ranges.iter().rev().find_map(found),
    };
    start.map(|start| u64::try_from(start).expect("an address"))
}

fn in_range(
    constraints: &Constraints,
    (start, end): (i128, i128),
    taken: &[MaRange],
) -> Option<i128> {
    let bytes = i128::from(constraints.bytes);
    let align = i128::from(constraints.align);
    let (min, max) = (i128::from(constraints.min), i128::from(constraints.max));
    if end - start + 1 < bytes || end < min || start > max {
        return None;
    }
    let (mut at, step) = match constraints.from {
        End::Bottom => (start.max(min), PAGE),
        End::Top => (end.min(max) - bytes + 1, -PAGE),
    };
    loop {
        at = match constraints.from {
            End::Bottom => (at + align - 1).div_euclid(align) * align,
            End::Top => at.div_euclid(align) * align,
        };
        let last = at + bytes - 1;
        if at < start || at < min || last > end || last > max {
            return None;
        }
        let collides = taken.iter().map(bounds).any(|(s, e)| last >= s && at <= e);
        if !collides {
            return Some(at);
        }
        at += step;
    }
}
