//! V1's list of pages, read back in the way in which Xen reads it.

use std::collections::HashMap;

use rkexec::addr::{Maddr, Mfn, PAGE_SIZE};
use rkexec::indirection::{
    pages_needed, write, IndirectionError, IndirectionPage, ENTRIES_PER_PAGE, RUNS_MAX,
};
use rkexec::range::MaRange;

use crate::common::{ma, mfn};
use crate::{Bytes, Input};

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let count = input.up_to(RUNS_MAX as u8 + 1);
    let ranges: Vec<_> = (0..count)
        .map(|_| {
            let (page, nr): (u32, u16) = (input.number(), input.number());
            let crooked = if input.up_to(31) == 31 { 0x800 } else { 0 };
            let start = u64::from(page) * PAGE_SIZE + crooked;
            MaRange::from_len(ma(start), u64::from(nr % 1500) * PAGE_SIZE).expect("a range")
        })
        .collect();
    let spare = input.up_to(2);

    let needed = pages_needed(&ranges);
    let whole = |range: &MaRange| range.start().is_aligned(PAGE_SIZE);
    let written = list(&ranges, needed + usize::from(spare));
    if ranges.len() > RUNS_MAX || !ranges.iter().all(whole) {
        assert_eq!(written.err(), Some(IndirectionError::Range));
        return;
    }
    let (first, pages) = written.expect("enough pages");
    let expected = ranges.iter().flat_map(|range| {
        let pages = range.start().raw()..range.end().raw();
        pages.step_by(PAGE_SIZE as usize)
    });
    assert!(read(first.raw(), &pages).into_iter().eq(expected));
    assert_eq!(list(&ranges, needed - 1).err(), Some(IndirectionError::NoPage));
}

type Pages = HashMap<u64, IndirectionPage>;

fn list(ranges: &[MaRange], nr_pages: usize) -> Result<(Maddr, Pages), IndirectionError> {
    let mut pages = vec![[0x5555_5555_5555_5555; ENTRIES_PER_PAGE]; nr_pages];
    let frames = (0..nr_pages).map(|nr| mfn(0x90_0000 - 3 * nr as u64));
    let first = write(ranges, frames.clone().zip(&mut pages))?;
    let at = frames.map(|frame: Mfn| frame.start().raw());
    Ok((first, at.zip(pages).collect()))
}

/// The sources, each of which goes to where it is (`kimage_build_ind()`, `xen/common/kimage.c`).
fn read(first: u64, pages: &Pages) -> Vec<u64> {
    let (mut at, mut index, mut to, mut sources) = (first, 0, None, Vec::new());
    loop {
        let entry = pages[&at][index];
        let address = entry & !0xfff;
        index += 1;
        match entry & 0xfff {
            1 => to = Some(address),
            2 => (at, index) = (address, 0),
            4 => return sources,
            8 => {
                assert_eq!(to, Some(address), "it moves");
                to = Some(address + PAGE_SIZE);
                sources.push(address);
            }
            _ => panic!("Xen refuses the entry {entry:#x}"),
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let range = |to: Bytes, page: u32, nr: u16| to.bytes(&page.to_le_bytes()).half(nr).byte(0);
    let one = |nr| range(Bytes::new().byte(1), 0x100, nr).0;
    let mut seeds: Vec<_> = [0, 1, 509, 510, 511, 1020, 1021].map(one).into();
    seeds.push(range(range(Bytes::new().byte(2), 0x100, 12), 0x200, 11).byte(1).0);
    seeds
}
