//! What a caller of `kexec_load(2)`, or a program at the door, may ask for: segments of any numbers against RAM.

use itertools::Itertools;
use rkexec::addr::{Mfn, PHYS_END};
use rkexec::range::MaRange;
use rkexec::requested_segment::{
    check, runs_where_it_is_loaded, RequestedSegment, SegmentError,
};
use rkexec::segment::{Location, Segments, MAX_SEGMENTS};

use crate::common::{ma, range};
use crate::input::real_maps;
use crate::{Bytes, Input};

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let entry = input.number();
    let alignment = input.number();
    let small: bool = input.number();
    let count = input.up_to(MAX_SEGMENTS as u8 + 1);
    let requested = (0..count).map(|_| match small {
        false => RequestedSegment {
            mem: input.number(),
            memsz: input.number(),
            bufsz: input.number(),
        },
        true => RequestedSegment {
            mem: u64::from(input.number::<u16>()) << 12,
            memsz: u64::from(input.number::<u8>()) << 12,
            bufsz: u64::from(input.number::<u16>()),
        },
    });
    let requested = requested.collect_vec();
    let ram = sorted(input.map(48).into_iter().filter(|it| it.kind_raw == 1).map(|it| it.range()));

    let _ = runs_where_it_is_loaded(requested.iter().copied(), entry, alignment);
    let checked = check(&requested, entry, &ram);
    let first_bad = (0..requested.len()).find(|&nr| !is_good(&requested, nr, &ram));
    let inside = requested.iter().any(|it| entry >= it.mem && entry - it.mem < it.memsz);
    match checked {
        Ok(segments) => {
            assert!(first_bad.is_none() && inside && !requested.is_empty());
            assert_eq!(segments.entry().raw(), entry);
            says_where_frames_are(&segments, &requested);
        }
        Err(SegmentError::NoSegments) => assert!(requested.is_empty()),
        Err(SegmentError::TooManySegments { count }) => assert!(count > MAX_SEGMENTS),
        Err(error @ SegmentError::Segment { index, .. }) => {
            assert_eq!(first_bad, Some(index), "{error}");
        }
        Err(SegmentError::EntryOutside { .. }) => assert!(first_bad.is_none() && !inside),
    }
}

/// In ascending order, and what touches is one.
fn sorted(ranges: impl Iterator<Item = MaRange>) -> Vec<MaRange> {
    let joined = ranges.sorted().coalesce(|a, b| match b.start() <= a.end() {
        true => Ok(range(a.start().raw(), a.end().max(b.end()).raw())),
        false => Err((a, b)),
    });
    joined.collect()
}

/// Whether a segment can be had, in numbers that do not wrap.
fn is_good(requested: &[RequestedSegment], nr: usize, ram: &[MaRange]) -> bool {
    let bytes = |it: &RequestedSegment| {
        let start = u128::from(it.mem);
        (start, start + u128::from(it.memsz))
    };
    let it = &requested[nr];
    let (start, end) = bytes(it);
    let in_ram = |range: &MaRange| {
        u128::from(range.start().raw()) <= start && end <= u128::from(range.end().raw())
    };
    end <= u128::from(PHYS_END)
        && start % 4096 == 0
        && end % 4096 == 0
        && it.bufsz <= it.memsz
        && (start == end || ram.iter().any(in_ram))
        && requested[..nr].iter().map(bytes).all(|other| other.0.max(start) >= other.1.min(end))
}

fn says_where_frames_are(segments: &Segments, requested: &[RequestedSegment]) {
    let pages = |it: &RequestedSegment| it.bufsz.div_ceil(4096);
    assert_eq!(segments.nr_data_pages() as u64, requested.iter().map(pages).sum::<u64>());
    let mut first = 0;
    for (nr, it) in requested.iter().enumerate() {
        let (data, all) = (pages(it), it.memsz / 4096);
        let range = segments.data_pages_of(nr).expect("it is there");
        assert_eq!((range.start as u64, range.end as u64), (first, first + data));
        let edges = [0, 1, data.saturating_sub(1), data, all.saturating_sub(1)];
        for page in edges.into_iter().filter(|&page| page < all) {
            let frame = Mfn::new(ma(it.mem + page * 4096)).expect("a page");
            let expected = match page < data {
                true => Location::Data { page: (first + page) as usize },
                false => Location::Tail,
            };
            assert_eq!(segments.locate(frame), expected);
        }
        first += data;
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let maps = real_maps().into_iter();
    let seed = |map: formats::e820::Machine| {
        let to = Bytes::new().word(0x10_0200).word(0x20_0000).byte(0).byte(3);
        let to = to.word(0x10_0000).word(0x100_0000).word(0x90_1234);
        let to = to.word(0x9_0000).word(0x2000).word(0x1800);
        to.word(0x1000).word(0x3000).word(0x10).map(&map.entries).0
    };
    maps.map(seed).collect()
}
