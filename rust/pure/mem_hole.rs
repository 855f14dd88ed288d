//! A free place for a segment, between the segments that have theirs already.
//!
//! The kernel calls it a memory hole (`kexec_locate_mem_hole`, `kernel/kexec_file.c`) and goes through
//! `/proc/iomem`. In dom0 that is not the machine's memory; here the ranges are the caller's. For the
//! same ranges the place is the same as the kernel's: callers of `kexec_add_buffer` rely on what
//! they ask for, lowest or highest. But where the kernel tries each page in turn, this leaps over
//! the segment in its way.

use super::addr::{Maddr, PAGE_SIZE};
use super::range::MaRange;

/// What the place of a segment has to be like (`struct kexec_buf`, `linux/kexec.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constraints {
    /// Its length (`memsz`).
    pub bytes: u64,
    /// What its address is to be a multiple of, a power of two (`buf_align`).
    pub align: u64,
    /// The lowest address that it may take (`buf_min`).
    pub min: u64,
    /// The highest address that it may take, the last byte's (`buf_max`).
    pub max: u64,
    /// From which end to look for it (`top_down`).
    pub from: End,
}

/// An end of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The lowest place is wanted.
    Bottom,
    /// The highest.
    Top,
}

/// A place like that in one of `ranges`, clear of what is `taken`: its first address. `None` if there
/// is none.
///
/// The `ranges` are in ascending order and do not overlap; neither is checked, they are looked
/// through in their order, or for a place at the [`End::Top`] in the opposite one.
pub fn find(constraints: &Constraints, ranges: &[MaRange], taken: &[MaRange]) -> Option<Maddr> {
    // In an alignment that is none there is no place.
    if !constraints.align.is_power_of_two() {
        return None;
    }
    let place = |range: &MaRange| {
        let window = constraints.window(*range)?;
        match constraints.from {
            End::Bottom => constraints.lowest(window, taken),
            End::Top => constraints.highest(window, taken),
        }
    };
    match constraints.from {
        End::Bottom => ranges.iter().find_map(place),
        End::Top => ranges.iter().rev().find_map(place),
    }
}

/// The lowest free place of `bytes` bytes in `range`, at the beginning of a page.
pub fn lowest(bytes: u64, range: MaRange, taken: &[MaRange]) -> Option<MaRange> {
    let constraints = Constraints {
        bytes,
        align: PAGE_SIZE,
        min: 0,
        max: u64::MAX,
        from: End::Bottom,
    };
    let start = find(&constraints, &[range], taken)?;
    MaRange::from_len(start, bytes)
}

impl Constraints {
    /// The part of `range` that the place may be in.
    fn window(&self, range: MaRange) -> Option<MaRange> {
        let start = range.start().max(Maddr::new(self.min)?);
        let past_max = Maddr::new(self.max.saturating_add(1)).unwrap_or(Maddr::END);
        MaRange::new(start, range.end().min(past_max)).filter(|window| !window.is_empty())
    }

    fn lowest(&self, window: MaRange, taken: &[MaRange]) -> Option<Maddr> {
        let mut start = window.start().align_up(self.align)?;
        loop {
            let place = MaRange::from_len(start, self.bytes)?;
            if place.end() > window.end() {
                return None;
            }
            // Each round leaves an obstacle behind for good.
            let Some(over) = obstacle(place, taken) else {
                return Some(start);
            };
            start = start.checked_add(self.steps(over.end().checked_offset_from(start)?)?)?;
        }
    }

    fn highest(&self, window: MaRange, taken: &[MaRange]) -> Option<Maddr> {
        let last_start = |end: Maddr| Maddr::new(end.raw().checked_sub(self.bytes)?);
        let mut start = last_start(window.end())?.align_down(self.align);
        loop {
            if start < window.start() {
                return None;
            }
            let Some(under) = obstacle(MaRange::from_len(start, self.bytes)?, taken) else {
                return Some(start);
            };
            let back = start.checked_offset_from(last_start(under.start())?)?;
            start = Maddr::new(start.raw().checked_sub(self.steps(back)?)?)?;
        }
    }

    /// `bytes` in whole steps of the kernel's search: it goes on by a page, then to the alignment.
    fn steps(&self, bytes: u64) -> Option<u64> {
        bytes.checked_next_multiple_of(self.align.max(PAGE_SIZE))
    }
}

/// Something of what is `taken` that reaches into `place`: it ends behind the beginning of `place`,
/// and begins before its end, so to leave it behind is a step forward.
fn obstacle(place: MaRange, taken: &[MaRange]) -> Option<MaRange> {
    let reaches_in = |range: &&MaRange| range.start() < place.end() && place.start() < range.end();
    taken.iter().find(reaches_in).copied()
}
