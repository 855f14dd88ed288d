//! What may be asked for: every fault by itself, and all small cases against a model of bytes.

use itertools::{iproduct, Itertools};
use proptest::prelude::*;
use rkexec::addr::{Mfn, PHYS_END};
use rkexec::errno::Errno;
use rkexec::range::MaRange;
use rkexec::requested_segment::{
    check, runs_where_it_is_loaded, Fault, RequestedSegment, SegmentError,
};
use rkexec::segment::{Location, Segments, MAX_SEGMENTS};

use super::model::{end_of, layouts};
use crate::common::{ma, mfn, pages, range, PAGE};

fn requested(mem: u64, memsz: u64, bufsz: u64) -> RequestedSegment {
    RequestedSegment { mem, memsz, bufsz }
}

/// Checks segments on a machine with RAM at 64 KiB-640 KiB and 1 MiB-4 GiB, entry at the first.
fn check_on_pc(segments: &[RequestedSegment]) -> Result<Segments, SegmentError> {
    let ram = [range(0x1_0000, 0xa_0000), range(0x10_0000, 0x1_0000_0000)];
    let entry = segments.first().map_or(0, |first| first.mem);
    check(segments, entry, &ram)
}

/// The fault that is found in the last of `segments`.
fn fault(segments: &[RequestedSegment]) -> (Fault, SegmentError) {
    let error = check_on_pc(segments).expect_err("a fault");
    let SegmentError::Segment {
        index,
        requested,
        fault,
    } = error
    else {
        panic!("no fault of a segment: {error}")
    };
    assert_eq!(index, segments.len() - 1);
    assert_eq!(requested, segments[index]);
    (fault, error)
}

#[test]
fn a_plain_image_becomes_its_segments() {
    let segments = check_on_pc(&[
        requested(0x20_0000, 0x5000, 0x1001),
        requested(0x1_0000, 0x1000, 0x1000),
        requested(0x10_0000, 0x2000, 0),
        requested(0x20_5000, 0x3000, 0x2fff),
    ])
    .expect("a good image");

    assert_eq!(segments.count(), 4);
    assert_eq!(segments.entry(), ma(0x20_0000));
    assert_eq!(segments.nr_data_pages(), 2 + 1 + 3);
    let of_each = [Some(0..2), Some(2..3), Some(3..3), Some(3..6), None];
    for (index, pages) in of_each.into_iter().enumerate() {
        assert_eq!(segments.data_pages_of(index), pages);
    }

    let first = segments.get(0).expect("segment 0");
    assert_eq!(first.dst(), range(0x20_0000, 0x20_5000));
    assert_eq!(first.data(), range(0x20_0000, 0x20_2000));
    assert_eq!(first.tail(), range(0x20_2000, 0x20_5000));
    assert_eq!((first.data_bytes(), first.data_pages()), (0x1001, 2));
    let bss = segments.get(2).expect("segment 2");
    assert!(bss.data().is_empty());
    assert_eq!(bss.tail(), bss.dst());
    assert!(segments.get(4).is_none() && segments.get(99).is_none());
    assert_eq!(segments.iter().nth(3), segments.get(3));

    let locate = |at: u64| segments.locate(Mfn::new(ma(at)).expect("a frame"));
    assert_eq!(locate(0x20_1000), Location::Data { page: 1 });
    assert_eq!(locate(0x20_2000), Location::Tail);
    assert_eq!(locate(0x20_4000), Location::Tail);
    assert_eq!(locate(0x20_5000), Location::Data { page: 3 });
    assert_eq!(locate(0x20_8000), Location::Outside);
    assert_eq!(locate(0x1_0000), Location::Data { page: 2 });
    assert_eq!(locate(0xf000), Location::Outside);
    assert_eq!(locate(0x10_1000), Location::Tail);

    assert!(segments.overlaps(range(0x20_4fff, 0x20_5000)));
    assert!(segments.overlaps(range(0, 0x1_0001)));
    assert!(!segments.overlaps(range(0, 0x1_0000)));
    assert!(!segments.overlaps(range(0x20_8000, 0x4000_0000)));
}

#[test]
fn each_fault_has_its_name_its_error_number_and_its_line_in_the_log() {
    let good = requested(0x20_0000, 0x2000, 0x2000);
    let above = requested(0x30_0000, 0x1000, 0);
    let bad: [&[RequestedSegment]; 9] = [
        &[good, requested(0x30_0000, 0, 1)],
        &[good, requested(0x30_0800, 0, 0)],
        &[requested(0x20_0800, 0x1000, 0x1000)],
        &[requested(0x20_0000, 0x1001, 0x1000)],
        &[requested(PHYS_END - PAGE, 0x2000, 0)],
        &[requested(u64::MAX - 0xfff, 0x1000, 0)],
        &[requested(0x20_0000, 0x1000, 0x1001)],
        &[above, good, requested(0x20_1000, 0x2000, 0)],
        &[requested(0x9_f000, 0x2000, 0)],
    ];
    let told = bad.map(|segments| {
        let (fault, error) = fault(segments);
        format!("{:?} {fault:x?}: {error}", error.errno())
    });
    let expected = [
        "Invalid DataTooLong: segment 1 (0x0 bytes at 0x300000) is too small \
         for its 0x1 bytes of data",
        "AddressNotAvailable Unaligned: segment 1 (0x0 bytes at 0x300800) \
         does not begin and end on a multiple of 4096 bytes",
        "AddressNotAvailable Unaligned: segment 0 (0x1000 bytes at 0x200800) \
         does not begin and end on a multiple of 4096 bytes",
        "AddressNotAvailable Unaligned: segment 0 (0x1001 bytes at 0x200000) \
         does not begin and end on a multiple of 4096 bytes",
        "AddressNotAvailable PastEnd: segment 0 (0x2000 bytes at 0xffffffffff000) ends past \
         0x10000000000000, the largest physical address",
        "AddressNotAvailable PastEnd: segment 0 (0x1000 bytes at 0xfffffffffffff000) ends past \
         0x10000000000000, the largest physical address",
        "Invalid DataTooLong: segment 0 (0x1000 bytes at 0x200000) is too small \
         for its 0x1001 bytes of data",
        "Invalid Overlap { other: 1, with: RequestedSegment { mem: 200000, memsz: 2000, bufsz: 2000 } }: \
         segment 2 (0x2000 bytes at 0x201000) overlaps segment 1 (0x2000 bytes at 0x200000)",
        "AddressNotAvailable NotRam { hole: ma:0xa0000 }: segment 0 (0x2000 bytes at 0x9f000) is \
         not in the machine's RAM: there is none at 0xa0000",
    ];
    assert_eq!(told, expected);
}

#[test]
fn faults_of_the_image_as_a_whole_are_reported() {
    let row = |count| -> Vec<_> {
        let segment = |nr| requested(0x20_0000 + nr * PAGE, PAGE, PAGE);
        (0..count).map(segment).collect()
    };
    assert_eq!(check_on_pc(&row(16)).map(|s| s.count()), Ok(MAX_SEGMENTS));
    let told = [0, 17].map(|count| {
        let error = check_on_pc(&row(count)).expect_err("too few or too many");
        assert_eq!(error.errno(), Errno::Invalid);
        format!("{error:?}: {error}")
    });
    let expected = [
        "NoSegments: the image has no segments",
        "TooManySegments { count: 17 }: the image has 17 segments, at most 16 are possible",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_segment_of_no_bytes_changes_nothing_wherever_it_is() {
    let good = requested(0x20_0000, 0x2000, 0x1001);
    let alone = check_on_pc(&[good]).expect("a good image");
    // In RAM, in none, at the edges and in the middle of another segment.
    for at in [0x30_0000, 0xa_0000, 0, 0x20_0000, 0x20_1000, 0x20_2000] {
        let ram = [range(0x10_0000, 0x1_0000_0000)];
        let segments = [requested(at, 0, 0), good, requested(at, 0, 0)];
        let checked = check(&segments, good.mem, &ram).expect("as good as without");
        assert_eq!((checked.count(), checked.nr_data_pages()), (3, 2));
        assert_eq!(checked.get(1), alone.get(0));
        let data_pages = [0, 1, 2].map(|index| checked.data_pages_of(index));
        assert_eq!(data_pages, [Some(0..0), Some(0..2), Some(2..2)]);
        for frame in 0x1fe..0x204 {
            assert_eq!(checked.locate(mfn(frame)), alone.locate(mfn(frame)));
        }
        assert!(!checked.overlaps(range(0, 0x20_0000)));
        // Nothing can be entered there.
        let error = check(&[requested(at, 0, 0)], at, &ram).expect_err("no entry");
        assert_eq!(error, SegmentError::EntryOutside { entry: at });
    }
}

#[test]
fn the_entry_point_is_in_a_segment() {
    let ram = [range(0, 0x1000_0000)];
    let segments = [requested(0x1000, 0x1000, 1), requested(0x4000, 0x2000, 1)];
    for entry in [0x1000, 0x1fff, 0x4200, 0x5fff] {
        let checked = check(&segments, entry, &ram).expect("inside");
        assert_eq!(checked.entry(), ma(entry));
    }
    for entry in [0, 0xfff, 0x2000, 0x3fff, 0x6000, PHYS_END, u64::MAX] {
        let error = check(&segments, entry, &ram).expect_err("outside");
        assert_eq!(error, SegmentError::EntryOutside { entry });
        assert_eq!(error.errno(), Errno::Invalid);
        let line = format!("the entry point {entry:#x} is in none of the image's segments");
        assert_eq!(error.to_string(), line);
    }
}

#[test]
fn the_first_byte_outside_ram_is_named() {
    let ram = [
        range(0x2000, 0x4000),
        range(0x4000, 0x5000), // Touches the one before: nothing is missing between them.
        range(0x7000, 0x8800),
    ];
    let hole = |mem, memsz| match check(&[requested(mem, memsz, 0)], mem, &ram) {
        Ok(_) => None,
        Err(SegmentError::Segment {
            fault: Fault::NotRam { hole },
            ..
        }) => Some(hole.raw()),
        Err(other) => panic!("another fault: {other}"),
    };
    for (mem, memsz) in [(0x2000, 0x3000), (0x3000, 0x2000), (0x7000, 0x1000)] {
        assert_eq!(hole(mem, memsz), None, "{memsz:#x} at {mem:#x}");
    }
    assert_eq!(hole(0x1000, 0x2000), Some(0x1000));
    for (mem, memsz) in [(0x2000, 0x4000), (0x5000, 0x1000), (0x4000, 0x4000)] {
        assert_eq!(hole(mem, memsz), Some(0x5000), "{memsz:#x} at {mem:#x}");
    }
    assert_eq!(hole(0x7000, 0x2000), Some(0x8800));
    assert_eq!(hole(0x9000, 0x1000), Some(0x9000));
    let error = check(&[requested(0x2000, 0x1000, 0)], 0x2000, &[]).expect_err("no RAM at all");
    assert_eq!(error.errno(), Errno::AddressNotAvailable);
}

/// The bytes of a small memory, half a page each, that `segment` is about.
fn halves(segment: &RequestedSegment) -> impl Iterator<Item = usize> {
    (segment.mem / 0x800) as usize..((segment.mem + segment.memsz) / 0x800) as usize
}

/// Whether the segments are good, found out half page by half page.
fn model_accepts(segments: &[RequestedSegment], entry: u64, ram: &[bool]) -> bool {
    let mut taken = [false; 64];
    for segment in segments {
        let whole_pages = segment.mem % PAGE == 0 && segment.memsz % PAGE == 0;
        if !whole_pages || segment.bufsz > segment.memsz {
            return false;
        }
        for half in halves(segment) {
            if taken[half] || !ram.get(half).copied().unwrap_or(false) {
                return false;
            }
            taken[half] = true;
        }
    }
    taken[(entry / 0x800) as usize]
}

#[test]
fn all_pairs_of_segments_in_a_small_memory_are_judged_right() {
    const HALVES: u64 = 8;
    let buffers = |memsz| [0, memsz, memsz + 1];
    let one: Vec<_> = iproduct!(0..HALVES, 0..=HALVES)
        .map(|(mem, memsz)| (mem * 0x800, memsz * 0x800))
        .flat_map(|(mem, memsz)| buffers(memsz).map(|bufsz| requested(mem, memsz, bufsz)))
        .collect();
    let mut accepted = 0;
    for map in 0u32..1 << 4 {
        // Page by page, so with neighbours that are not merged, too.
        let ram: Vec<MaRange> = (0..4)
            .filter(|page| map & (1 << page) != 0)
            .map(|page| pages(page, 1))
            .collect();
        let ram_halves: Vec<bool> = (0..HALVES).map(|h| map & (1 << (h / 2)) != 0).collect();
        for (a, b) in iproduct!(&one, &one) {
            let segments = [*a, *b];
            let entry = b.mem + 0x234;
            let verdict = check(&segments, entry, &ram);
            let expected = model_accepts(&segments, entry, &ram_halves);
            let good = verdict.is_ok();
            assert_eq!(good, expected, "{segments:x?} {map:#b} {verdict:?}");
            accepted += u32::from(expected);
        }
    }
    assert!(accepted > 100, "the cases are not all bad: {accepted}");
}

proptest! {
    #[test]
    fn no_segment_panics_and_none_is_accepted_outside_ram(
        segments in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), 0u8..4), 0..20),
        entry: u64,
        bounds in prop::collection::vec(0..PHYS_END, 0..8),
    ) {
        // Of the bits of a number, keep few: else all of them are past the end or unaligned.
        let segments: Vec<_> = segments.iter().map(|&(mem, memsz, bufsz, keep)| match keep {
            0 => requested(mem, memsz, bufsz),
            1 => requested(mem & (PHYS_END - 1) & !0xfff, memsz & 0xff_f000, bufsz & 0xf_ffff),
            _ => requested(mem & 0xff_f000, memsz & 0xf000, bufsz & 0x7fff),
        }).collect();
        // Unsorted and overlapping as it comes.
        let ram: Vec<_> = bounds.chunks_exact(2)
            .map(|b| range(b[0].min(b[1]), b[0].max(b[1])))
            .collect();
        if let Ok(checked) = check(&segments, entry, &ram) {
            for dst in checked.iter().map(|segment| segment.dst()) {
                let mut at = dst.start();
                while at < dst.end() {
                    let in_ram = ram.iter().find(|range| range.contains(at));
                    at = in_ram.expect("in RAM").end();
                }
            }
        }
    }

    #[test]
    fn locate_agrees_with_a_count_of_the_pages(
        layout in layouts(16, 6),
        cuts in prop::collection::vec(1..PAGE, 16),
    ) {
        // The last page of data is not full.
        let segment = |(&(page, data, tail), cut): (&(u64, u64, u64), u64)| {
            requested(page * PAGE, (data + tail) * PAGE, (data * PAGE).saturating_sub(cut))
        };
        let segments = layout.iter().zip(cuts).map(segment).collect_vec();
        let entry = segments.iter().find(|segment| segment.memsz > 0);
        let checked = check(&segments, entry.expect("a page").mem, &[range(0, PHYS_END)]).expect("good");

        let mut data_page = 0;
        let mut expected = vec![Location::Outside; end_of(&layout) as usize + 1];
        for (index, segment) in segments.iter().enumerate() {
            let first = data_page;
            for offset in 0..segment.memsz / PAGE {
                let place = &mut expected[(segment.mem / PAGE + offset) as usize];
                *place = if offset * PAGE < segment.bufsz {
                    data_page += 1;
                    Location::Data { page: data_page - 1 }
                } else {
                    Location::Tail
                };
            }
            prop_assert_eq!(checked.data_pages_of(index), Some(first..data_page));
        }
        prop_assert_eq!(checked.nr_data_pages(), data_page);
        for (number, place) in (0..).zip(expected) {
            prop_assert_eq!(checked.locate(mfn(number)), place);
        }
    }
}

#[test]
fn a_kernel_runs_where_it_is_loaded_if_that_is_a_multiple_of_its_alignment() {
    let segment = |mem, memsz| RequestedSegment {
        mem,
        memsz,
        bufsz: 0,
    };
    let list = [segment(0x30_1000, 0x1000), segment(0x40_0000, 0x20_0000)];
    let runs = |entry, alignment| runs_where_it_is_loaded(list, entry, alignment);
    assert!(runs(0x40_0200, 0x20_0000));
    assert!(!runs(0x40_0200, 0x80_0000));
    assert!(!runs(0x30_1200, 0x20_0000));
    // It is in none, which others find, or nobody says what it wants.
    assert!(runs(0x60_0000, 0x80_0000));
    assert!(runs(0x30_1200, 0));
}
