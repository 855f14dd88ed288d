//! What the caller of `kexec_load(2)` or `kexec_file_load(2)` asked for, and whether it can be had.
//!
//! A [`RequestedSegment`] is an allegation, a row of `struct kexec_segment` as it came in. [`check`] is
//! the only way from there to the `segment::Segments` that everything else works on.
//!
//! Its address is taken to be a **machine** address, although Linux calls it physical and in dom0
//! "physical" is a name that only dom0 understands:
//!
//! - The caller of `kexec_load` names the addresses that the next kernel is to run at. It runs on
//!   the bare machine, where nothing but machine addresses exists; its boot parameters, written by
//!   the same caller, already contain them.
//! - `kexec_file_load` looks for free memory in dom0's own map and writes the addresses it finds in to
//!   boot parameters and purgatory. To convert them would mean to patch those as well. It is not
//!   needed: the hand-over can write to any machine RAM, no matter who owns it, so a number is good
//!   as soon as it names RAM of the machine.

use core::fmt;

use super::addr::{Maddr, PAGE_SIZE, PHYS_END};
use super::errno::Errno;
use super::range::MaRange;
use super::segment::{Segment, Segments, MAX_SEGMENTS};

/// A segment as the caller described it (`struct kexec_segment`); nothing about it is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestedSegment {
    /// Where the segment goes, a machine address in bytes.
    pub mem: u64,
    /// Bytes to fill there.
    pub memsz: u64,
    /// Bytes of data; the rest of `memsz` is to be zero.
    pub bufsz: u64,
}

impl fmt::Display for RequestedSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} bytes at {:#x}", self.memsz, self.mem)
    }
}

/// Whether a kernel with this `entry` point is loaded where it can run: at a multiple of `alignment`, or it
/// moves up by itself, over what is behind it (`arch/x86/boot/compressed/head_64.S`).
pub fn runs_where_it_is_loaded(
    requested: impl IntoIterator<Item = RequestedSegment>,
    entry: u64,
    alignment: u64,
) -> bool {
    let has_entry = |segment: &RequestedSegment| {
        let offset = entry.checked_sub(segment.mem);
        offset.is_some_and(|offset| offset < segment.memsz)
    };
    let mut kernel = requested.into_iter().filter(has_entry);
    // Of an alignment of 0 nothing is a multiple: then nobody says what it wants.
    kernel.all(|kernel| kernel.mem.checked_rem(alignment).unwrap_or(0) == 0)
}

/// What is wrong with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not begin and end on a page.
    Unaligned,
    /// It ends past the physical address space.
    PastEnd,
    /// It has more data than room.
    DataTooLong,
    /// It has bytes in common with segment `other`.
    Overlap {
        /// The number of the other segment, the lower one.
        other: usize,
        /// The other segment.
        with: RequestedSegment,
    },
    /// Not all of it is RAM of the machine.
    NotRam {
        /// The first byte that is not.
        hole: Maddr,
    },
}

/// Why an image is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentError {
    /// There is no segment.
    NoSegments,
    /// There are more than [`MAX_SEGMENTS`].
    TooManySegments {
        /// So many.
        count: usize,
    },
    /// One of the segments cannot be had.
    Segment {
        /// Its number, from 0.
        index: usize,
        /// What was asked for.
        requested: RequestedSegment,
        /// What is wrong with that.
        fault: Fault,
    },
    /// The entry point lies in none of the segments.
    EntryOutside {
        /// Where it lies.
        entry: u64,
    },
}

impl SegmentError {
    /// The error number of the system call: Linux's own where it makes the same check
    /// (`sanity_check_segment_list`, `kernel/kexec_core.c`).
    pub const fn errno(&self) -> Errno {
        match self {
            Self::NoSegments | Self::TooManySegments { .. } | Self::EntryOutside { .. } => {
                Errno::Invalid
            }
            Self::Segment { fault, .. } => match fault {
                Fault::DataTooLong | Fault::Overlap { .. } => Errno::Invalid,
                Fault::Unaligned | Fault::PastEnd | Fault::NotRam { .. } => {
                    Errno::AddressNotAvailable
                }
            },
        }
    }
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSegments => f.write_str("the image has no segments"),
            Self::TooManySegments { count } => {
                write!(
                    f,
                    "the image has {count} segments, at most {MAX_SEGMENTS} are possible"
                )
            }
            Self::EntryOutside { entry } => {
                write!(
                    f,
                    "the entry point {entry:#x} is in none of the image's segments"
                )
            }
            Self::Segment {
                index,
                requested,
                fault,
            } => {
                write!(f, "segment {index} ({requested}) ")?;
                match fault {
                    Fault::Unaligned => {
                        write!(
                            f,
                            "does not begin and end on a multiple of {PAGE_SIZE} bytes"
                        )
                    }
                    Fault::PastEnd => {
                        write!(f, "ends past {PHYS_END:#x}, the largest physical address")
                    }
                    Fault::DataTooLong => {
                        write!(
                            f,
                            "is too small for its {:#x} bytes of data",
                            requested.bufsz
                        )
                    }
                    Fault::Overlap { other, with } => {
                        write!(f, "overlaps segment {other} ({with})")
                    }
                    Fault::NotRam { hole } => {
                        let hole = hole.raw();
                        write!(f, "is not in the machine's RAM: there is none at {hole:#x}")
                    }
                }
            }
        }
    }
}

/// Checks the `requested` segments and the `entry` point of an image against the machine's `ram`.
///
/// `ram` must be sorted and free of overlaps. If it is not, good segments may be refused, but none is
/// accepted that is not in RAM.
///
/// # Errors
///
/// The first fault of the first segment that has one; a fault of the entry point comes last.
pub fn check(
    requested: &[RequestedSegment],
    entry: u64,
    ram: &[MaRange],
) -> Result<Segments, SegmentError> {
    if requested.is_empty() {
        return Err(SegmentError::NoSegments);
    }
    if requested.len() > MAX_SEGMENTS {
        return Err(SegmentError::TooManySegments {
            count: requested.len(),
        });
    }

    let mut list = [None; MAX_SEGMENTS];
    for (index, (segment, place)) in requested.iter().zip(list.iter_mut()).enumerate() {
        let earlier = requested.iter().take(index);
        let checked =
            check_segment(segment, earlier, ram).map_err(|fault| SegmentError::Segment {
                index,
                requested: *segment,
                fault,
            })?;
        *place = Some(checked);
    }

    let inside = |at: Maddr| {
        list.iter()
            .flatten()
            .any(|s: &Segment| s.dst().contains(at))
    };
    match Maddr::new(entry) {
        Some(at) if inside(at) => Ok(Segments::new(list, at)),
        _ => Err(SegmentError::EntryOutside { entry }),
    }
}

/// Checks one segment against the `earlier` ones and the machine's `ram`. One of no bytes is as good
/// to the kernel as any, wherever it is; so it is here.
fn check_segment<'a>(
    requested: &RequestedSegment,
    earlier: impl Iterator<Item = &'a RequestedSegment>,
    ram: &[MaRange],
) -> Result<Segment, Fault> {
    let dst = range(requested).ok_or(Fault::PastEnd)?;
    if requested.bufsz > requested.memsz {
        return Err(Fault::DataTooLong);
    }
    // It holds its data, so this is the only condition left.
    let segment = Segment::new(dst, requested.bufsz).ok_or(Fault::Unaligned)?;
    for (other, with) in earlier.enumerate() {
        if range(with).is_some_and(|range| range.overlaps(dst)) {
            return Err(Fault::Overlap { other, with: *with });
        }
    }
    if let Some(hole) = first_hole(dst, ram) {
        return Err(Fault::NotRam { hole });
    }
    Ok(segment)
}

/// The bytes that are requested, or `None` past the end of the physical address space.
fn range(requested: &RequestedSegment) -> Option<MaRange> {
    MaRange::from_len(Maddr::new(requested.mem)?, requested.memsz)
}

/// The first byte of `dst` that is not in `ram`, if there is one.
fn first_hole(dst: MaRange, ram: &[MaRange]) -> Option<Maddr> {
    if dst.is_empty() {
        return None;
    }
    let first = ram.partition_point(|range| range.end() <= dst.start());
    let mut at = dst.start();
    for range in ram.iter().skip(first) {
        if !range.contains(at) {
            break;
        }
        at = range.end();
        if at >= dst.end() {
            return None;
        }
    }
    Some(at)
}
