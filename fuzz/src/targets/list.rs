//! A copy list that nobody has written well, for the hand-over: it is refused, or it does no harm.

use rkexec::abi::handover::{CopyListPage, Entry, Params, ENTRIES_PER_PAGE};
use rkexec::addr::PHYS_END;
use rkexec::range::MaRange;
use rkexec_handover::backup::Backup;
use rkexec_handover::image;
use rkexec_handover::list::{List, Run};

use super::params::no_params;
use crate::memory::{page, Content, ListPage, Memory};
use crate::{Bytes, Input};

/// The hand-over itself and the page tables.
const PROTECTED: [u64; 2] = [0x200, 0x201];
/// Where list pages are.
const LIST: u64 = 0x300;
const BACKUP: u64 = 0x400;
/// Of a list that leads to itself.
const MOST_PAGES: u8 = 8;

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (nr_list_pages, has_backup) = (input.up_to(MOST_PAGES), input.number());
    let (first, good_digest): (u8, u8) = (input.number(), input.number());
    let mut memory = Memory::default();
    memory.0.extend((1..LIST).map(|frame| (frame, Content::Number(frame))));
    for nr in 0..input.up_to(3) {
        let content = Content::List(Box::new(ListPage::new(list_page(&mut input))));
        memory.0.insert(LIST + u64::from(nr), content);
    }
    let list_at = match first {
        0 => input.number(),
        _ => (LIST << 12) + (u64::from(first - 1) << 12),
    };
    let params = Params {
        list: list_at,
        nr_list_pages: nr_list_pages.into(),
        backup: if has_backup { BACKUP << 12 } else { 0 },
        ..no_params()
    };
    let backup = Backup::at(params.backup);
    let protected = PROTECTED.map(page);
    let Ok(list) = List::new(&params, protected, backup) else {
        return;
    };
    let mut digest = memory.list_digest(frames(&memory, &params));
    if good_digest % 8 == 7 {
        digest[0] ^= 1;
    }
    let verified = list.verify(&memory, &digest);
    if verified.is_err() {
        return;
    }
    assert!(good_digest % 8 != 7, "a list without its digest");
    let mut runs = list.runs();
    while let Some(run) = runs.next(&memory).expect("as it was verified") {
        harmless(run, &protected, backup);
    }
    if let Some(backup) = backup {
        backup.save(&mut memory);
    }
    let kept = |memory: &Memory| PROTECTED.map(|frame| memory.0.get(&frame).cloned());
    let before = kept(&memory);
    // A list that overwrites itself ends in a report.
    let placed = image::place(&list, &mut memory);
    assert_eq!(kept(&memory), before);
    if placed.is_ok() {
        let _ = image::verify(&list, &memory, &[0; 32]);
    }
}

fn list_page(input: &mut Input<'_>) -> CopyListPage {
    let (kind, next): (u8, u8) = (input.up_to(7), input.number());
    let mut list = CopyListPage {
        next: match next {
            0 => 0,
            255 => input.number(),
            nr => (LIST - 1 + u64::from(nr)) << 12,
        },
        nr: 0,
        entries: [Entry::default(); ENTRIES_PER_PAGE],
    };
    let count = input.up_to(ENTRIES_PER_PAGE as u8);
    list.nr = if kind == 7 { input.number() } else { count.into() };
    for entry in list.entries.iter_mut().take(count.into()) {
        let mut number = || match kind {
            6 => input.number(),
            _ => u64::from(input.number::<u16>() % 0x800) << 12,
        };
        *entry = Entry { dst: number(), src: number(), len: number() };
        if kind == 5 {
            // In place.
            entry.src = entry.dst;
        }
    }
    list
}

/// The list pages, as far as there are any.
fn frames(memory: &Memory, params: &Params) -> Vec<u64> {
    let mut frames = vec![params.list >> 12];
    while frames.len() < params.nr_list_pages as usize {
        let last = memory.0.get(frames.last().expect("the first"));
        let next = match last {
            Some(Content::List(list)) => list.next(),
            _ => 0,
        };
        if next % 4096 != 0 || next >= PHYS_END {
            break;
        }
        frames.push(next >> 12);
    }
    frames
}

fn harmless(run: Run, protected: &[MaRange; 2], backup: Option<Backup>) {
    let (dst, src) = match run {
        Run::Copy { dst, src } => (Some(dst), Some(src)),
        Run::InPlace(there) => (None, Some(there)),
        Run::Zero(dst) => (Some(dst), None),
    };
    for range in [dst, src].into_iter().flatten() {
        assert!(!range.is_empty() && range.end().raw() <= PHYS_END);
        assert!(range.start().is_aligned(4096) && range.end().is_aligned(4096));
        assert!(backup.is_none_or(|backup| !backup.range().overlaps(range)));
    }
    if let (Some(dst), Some(src)) = (dst, src) {
        assert!(dst.len_bytes() == src.len_bytes() && !dst.overlaps(src));
    }
    if let Some(dst) = dst {
        assert!(!protected.iter().any(|range| range.overlaps(dst)));
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let entry = |to: Bytes, dst, src, len| to.half(dst).half(src).half(len);
    let head = |pages: u8, backup| Bytes::new().byte(pages).byte(backup).byte(1).byte(0).byte(pages);
    let one = entry(head(1, 0).byte(0).byte(0).byte(2), 0x10, 0x20, 4);
    let one = entry(one, 0x14, 0, 2);
    let two = entry(head(2, 1).byte(0).byte(2).byte(1), 0x10, 0x20, 4);
    let two = entry(two.byte(5).byte(0).byte(1), 0x30, 0, 2);
    vec![one.0, two.0]
}
