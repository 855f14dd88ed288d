//! V1's list, read back in the way in which Xen reads it.

use std::collections::HashMap;

use proptest::prelude::*;
use rkexec::addr::{Mfn, PAGE_SIZE};
use rkexec::indirection::{
    pages_needed, write, IndirectionError, IndirectionPage, ENTRIES_PER_PAGE, RUNS_MAX,
};
use rkexec::range::MaRange;

use crate::common::{ma, mfn, pages};

/// The frame of the list's page with this number: descending, so that none is behind the other.
fn frame(nr: usize) -> Mfn {
    mfn(0x9_0000 - 3 * nr as u64)
}

/// The list for `ranges` in `nr_pages` pages, as it is in memory, and where it begins.
fn list(
    ranges: &[MaRange],
    nr_pages: usize,
) -> Result<(u64, HashMap<u64, IndirectionPage>), IndirectionError> {
    // What was in the pages before must not matter.
    let mut pages = vec![[0x5555_5555_5555_5555; ENTRIES_PER_PAGE]; nr_pages];
    let frames = (0..nr_pages).map(frame);
    let first = write(ranges, frames.clone().zip(&mut pages))?;
    let at = frames.map(|frame| frame.start().raw());
    Ok((first.raw(), at.zip(pages).collect()))
}

/// What Xen makes of the list: for each source where it goes (`kimage_build_ind`).
fn read(first: u64, pages: &HashMap<u64, IndirectionPage>) -> Vec<(u64, u64)> {
    let (mut at, mut index, mut dest, mut copies) = (first, 0, None, Vec::new());
    for _ in 0..1 << 20 {
        let entry = pages[&at][index];
        let address = entry & !0xfff;
        index += 1;
        match entry & 0xf {
            1 => dest = Some(address),
            2 => (at, index) = (address, 0),
            4 => return copies,
            8 => {
                let to = dest.expect("a source before any destination");
                copies.push((address, to));
                dest = Some(to + PAGE_SIZE);
            }
            _ => panic!("Xen refuses the entry {entry:#x}"),
        }
        assert_eq!(entry & 0xff0, 0, "Xen refuses the entry {entry:#x}");
    }
    panic!("it does not end");
}

fn copies(ranges: &[MaRange]) -> Vec<(u64, u64)> {
    let in_place = |range: &MaRange| {
        let pages = range.len_bytes() / PAGE_SIZE;
        let start = range.start().raw();
        (0..pages).map(move |page| (start + page * PAGE_SIZE, start + page * PAGE_SIZE))
    };
    ranges.iter().flat_map(in_place).collect()
}

fn check(ranges: &[MaRange]) {
    let nr = pages_needed(ranges);
    let (first, pages) = list(ranges, nr).unwrap();
    assert_eq!(first, frame(0).start().raw());
    assert_eq!(read(first, &pages), copies(ranges));
    // As many pages as needed, and no page less.
    assert_eq!(list(ranges, nr - 1).err(), Some(IndirectionError::NoPage));
    // More do no harm.
    let (first, pages) = list(ranges, nr + 2).unwrap();
    assert_eq!(read(first, &pages), copies(ranges));
}

#[test]
fn a_list_of_any_length_is_what_xen_understands() {
    check(&[]);
    check(&[pages(0x100, 12), pages(0x200, 11)]);
    // One destination, so many sources: around the ends of pages of the list.
    for nr in [1, 509, 510, 511, 512, 1020, 1021, 1022, 1023, 5000] {
        check(&[pages(0x100, nr)]);
    }
}

#[test]
fn what_is_not_whole_pages_is_refused() {
    let crooked = MaRange::from_len(ma(0x1234), PAGE_SIZE).unwrap();
    let short = MaRange::from_len(ma(0x1000), 100).unwrap();
    let refused = |ranges: &[MaRange]| {
        assert_eq!(list(ranges, 4).err(), Some(IndirectionError::Range));
    };
    refused(&[pages(1, 1), crooked]);
    refused(&[pages(1, 1), short]);
    let many: Vec<_> = (0..=RUNS_MAX as u64).map(|nr| pages(2 * nr, 1)).collect();
    refused(&many);
    check(&many[..RUNS_MAX]);
}

proptest! {
    #[test]
    fn every_page_stays_where_it_is(sizes in prop::collection::vec(0u64..1200, 0..RUNS_MAX)) {
        let mut ranges = Vec::new();
        let mut at = 0x100;
        for nr in sizes {
            ranges.push(pages(at, nr));
            at += nr + 3;
        }
        check(&ranges);
    }
}
