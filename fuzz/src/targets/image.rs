//! An image from its segments to the point where it is started: pages in any order, the copy list as the module writes it,
//! and the hand-over that reads it.

use rkexec::abi::handover::{CopyListPage, Entry, Params, ENTRIES_PER_PAGE};
use rkexec::addr::PHYS_END;
use rkexec::copylist::{list_pages_bound, write_in_place, CopyList, Written};
use rkexec::placement::{Offer, Placement, Source};
use rkexec::requested_segment::{check, RequestedSegment};
use rkexec::segment::Segments;
use rkexec_handover::backup::Backup;
use rkexec_handover::digest::Hasher;
use rkexec_handover::image;
use rkexec_handover::list::List;
use rkexec_handover::memory::Memory as _;

use super::params::no_params;
use crate::common::{mfn, range, PAGE};
use crate::memory::{page, Content, ListPage, Memory};
use crate::{Bytes, Input};

/// Pages that there are.
const PAGES: u64 = 256;
/// Where low memory is saved: above all of them.
const BACKUP: u64 = 0x400;
/// What a page of data has, beside its number.
const DATA: u64 = 1 << 32;

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let has_backup: bool = input.number();
    let requested: Vec<_> = (0..input.up_to(5))
        .map(|_| {
            let (first, data, tail): (u8, u8, u8) = (input.number(), input.up_to(24), input.up_to(8));
            RequestedSegment {
                mem: u64::from(first) * PAGE,
                memsz: u64::from(data + tail) * PAGE,
                bufsz: (u64::from(data) * PAGE).saturating_sub(u64::from(first % 3)),
            }
        })
        .collect();
    let entered = requested.iter().find(|it| it.memsz > 0);
    let entry = entered.map_or(0, |it| it.mem);
    let Ok(segments) = check(&requested, entry, &[range(0, PHYS_END)]) else {
        return;
    };
    // The pages that the kernel hands out: those that are named first, then the others.
    let mut supply = Vec::new();
    while !input.is_empty() && supply.len() < PAGES as usize {
        let frame = u64::from(input.number::<u8>());
        if !supply.contains(&frame) {
            supply.push(frame);
        }
    }
    let others: Vec<_> = (0..PAGES).filter(|frame| !supply.contains(frame)).collect();
    let backup = has_backup.then_some(BACKUP << 12);
    hand_over(&segments, &mut supply.into_iter().chain(others), backup);
    in_place(&segments);
}

fn hand_over(segments: &Segments, supply: &mut dyn Iterator<Item = u64>, backup: Option<u64>) {
    let mut sources = vec![None; segments.nr_data_pages()];
    let mut placement = Placement::new(segments, &mut sources).expect("a source for each");
    // For the list, the hand-over and the page tables.
    let wanted = list_pages_bound(segments) + 2;
    let mut safe = Vec::new();
    while safe.len() < wanted || !placement.is_full() {
        let frame = mfn(supply.next().expect("more pages than an image can take"));
        let offer = match safe.len() < wanted {
            true => placement.offer_spare(frame.number(), frame),
            false => placement.offer(frame.number(), frame),
        };
        if let Offer::Spare(Source { page, frame }) = offer {
            assert_eq!(page, frame.number());
            assert!(safe.len() < wanted && placement.is_safe(frame));
            safe.push(frame);
        }
    }
    let protected = [safe.pop(), safe.pop()].map(|it| page(it.expect("two more").number()));
    let frames: Vec<_> = sources.iter().flatten().map(|source| source.frame.number()).collect();

    let mut memory = Memory::default();
    memory.0.extend((0..PAGES).map(|frame| (frame, Content::Number(frame))));
    let mut hasher = Hasher::new();
    for (nr, frame) in (DATA..).zip(&frames) {
        memory.0.insert(*frame, Content::Number(nr));
    }
    let list = CopyList::new(segments, &sources).expect("good sources");
    let mut writer = list.writer();
    let mut used = Vec::new();
    for (nr, frame) in safe.iter().enumerate() {
        let entry = Entry { dst: 1, src: 2, len: 3 };
        let mut page = CopyListPage { next: 4, nr: 5, entries: [entry; ENTRIES_PER_PAGE] };
        let written = writer.write(&mut page, safe.get(nr + 1).copied()).expect("enough pages");
        used.push(frame.number());
        memory.0.insert(frame.number(), Content::List(Box::new(ListPage::new(page))));
        if written == Written::Last {
            break;
        }
    }

    // What the module hashes is the data, run by run, wherever it is.
    for run in list.runs() {
        if let Some(src) = run.src {
            let end = src.raw() + run.dst.len_bytes();
            memory.hash(range(src.raw(), end), &mut hasher);
        }
    }
    let params = Params {
        list: used[0] << 12,
        nr_list_pages: used.len() as u64,
        list_digest: memory.list_digest(used.iter().copied()),
        image_digest: hasher.finish(),
        backup: backup.unwrap_or(0),
        ..no_params()
    };
    let expected = expected(&memory, segments, backup.is_some());
    let backup = Backup::at(params.backup);
    let list = List::new(&params, protected, backup).expect("a list");
    list.verify(&memory, &params.list_digest).expect("a good list");
    if let Some(backup) = backup {
        backup.save(&mut memory);
    }
    image::place(&list, &mut memory).expect("a good list");
    image::verify(&list, &memory, &params.image_digest).expect("the image");
    assert_eq!(memory, expected);
}

/// What there is when the image is started.
fn expected(before: &Memory, segments: &Segments, has_backup: bool) -> Memory {
    let mut after = before.clone();
    if has_backup {
        let low = before.0.range(..0xa0).map(|(frame, it)| (BACKUP + frame, it.clone()));
        after.0.extend(low);
    }
    let mut data = DATA..;
    for segment in segments.iter() {
        let frames = |range: rkexec::range::MaRange| {
            range.start().raw() / PAGE..range.end().raw() / PAGE
        };
        for frame in frames(segment.data()) {
            let nr = data.next().expect("no end");
            after.0.insert(frame, Content::Number(nr));
        }
        frames(segment.tail()).for_each(|frame| drop(after.0.remove(&frame)));
    }
    after
}

/// The list of an image whose data is where it belongs.
fn in_place(segments: &Segments) {
    let entry = Entry { dst: 1, src: 2, len: 3 };
    let mut list = CopyListPage { next: 4, nr: 5, entries: [entry; ENTRIES_PER_PAGE] };
    write_in_place(segments, &mut list);
    let at = 0x1000;
    let mut memory = Memory::default();
    memory.0.extend((0..PAGES).map(|frame| (frame, Content::Number(frame))));
    memory.0.insert(at, Content::List(Box::new(ListPage::new(list))));
    let params = Params {
        list: at << 12,
        nr_list_pages: 1,
        ..no_params()
    };
    let list = List::new(&params, [page(at + 1), page(at + 2)], None).expect("a list");
    let digest = memory.list_digest([at]);
    // Page 0 cannot be named as a source.
    let has_page_0 = segments.iter().any(|it| it.data().contains(mfn(0).start()));
    if has_page_0 {
        return;
    }
    list.verify(&memory, &digest).expect("a good list");
    let mut after = memory.clone();
    image::place(&list, &mut after).expect("a good list");
    for segment in segments.iter() {
        memory.zero(segment.tail());
    }
    assert_eq!(after, memory);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let image = |backup, supply: &[u8]| {
        let segments = [0x10, 20, 3, 0x40, 1, 0, 0x50, 0, 4, 0x60, 24, 8];
        Bytes::new().byte(backup).byte(4).bytes(&segments).bytes(supply).0
    };
    let down: Vec<u8> = (0..=255).rev().collect();
    let up: Vec<u8> = (0x10..0x90).collect();
    let mixed: Vec<u8> = (0..=255u8).map(|nr| nr.wrapping_mul(167)).collect();
    vec![image(0, &down), image(1, &up), image(1, &mixed), image(0, &[])]
}
