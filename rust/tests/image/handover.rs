//! Images on a small machine, from the first page that the kernel hands out to the point where the
//! next kernel starts: whatever pages it hands out, and in whatever order the copies are done.

use std::ops::Range;

use itertools::Itertools;
use proptest::prelude::*;
use rkexec::abi::handover::{CopyListPage, Entry, ENTRIES_PER_PAGE, ZERO_FILL};
use rkexec::addr::Mfn;
use rkexec::copylist::{list_pages_bound, list_pages_needed, CopyList, Written};
use rkexec::placement::{Offer, Placement, Source};
use rkexec::segment::{Location, Segments};

use super::model::{self, dirty_page, end_of, layouts, page_of, segments, Layout};
use crate::common::{mfn, PAGE};

/// An image whose pages have been laid out.
struct Loaded {
    segments: Segments,
    sources: Vec<Option<Source<u64>>>,
    /// Pages got before the sources were found, for lists and the like.
    safe: Vec<Mfn>,
    /// Pages kept until unload.
    parked: Vec<Mfn>,
    /// Pages that the kernel never handed out or got back.
    free: Vec<Mfn>,
}

/// Lays out an image on a machine that hands out the pages of `supply` from its end, taking
/// `wanted` safe pages first. After each step every page is in exactly one place.
fn load(layout: &Layout, supply: &[u64], wanted: usize) -> Loaded {
    let segments = segments(layout);
    let mut sources = vec![None; segments.nr_data_pages()];
    let mut free: Vec<Mfn> = supply.iter().copied().map(mfn).collect();
    let mut safe = Vec::new();
    let mut parked = Vec::new();

    let mut placement = Placement::new(&segments, &mut sources).expect("a source for each page");
    while safe.len() < wanted || !placement.is_full() {
        let Some(frame) = free.pop() else { break };
        let missing = placement.missing();
        let for_list = safe.len() < wanted;
        let offer = if for_list {
            placement.offer_spare(page_of(frame), frame)
        } else {
            placement.offer(page_of(frame), frame)
        };
        match offer {
            Offer::Placed => {
                assert!(!for_list || matches!(segments.locate(frame), Location::Data { .. }));
                assert_eq!(placement.missing(), missing - 1);
            }
            Offer::Spare(source) => {
                assert!(for_list, "{source:?} is left over while data has none");
                assert_eq!(source.page, page_of(source.frame));
                assert!(placement.is_safe(source.frame));
                assert_eq!(placement.missing(), missing);
                safe.push(source.frame);
            }
            Offer::Park(source) => park(&segments, source, frame, &mut parked),
        }
    }
    let (full, missing) = (placement.is_full(), placement.missing());
    assert_eq!(full, missing == 0);
    let without = sources.iter().filter(|source| source.is_none());
    assert_eq!(missing, without.count());

    let loaded = Loaded {
        segments,
        sources,
        safe,
        parked,
        free,
    };
    loaded.account_for(supply);
    loaded
}

/// A page is parked only if it has to be, and it is the one that was offered.
fn park(segments: &Segments, source: Source<u64>, frame: Mfn, parked: &mut Vec<Mfn>) {
    assert_eq!(source, model::source(frame.number()));
    assert!(segments.locate(frame) == Location::Tail || frame == mfn(0));
    parked.push(frame);
}

impl Loaded {
    /// No page is lost or used twice, and no source or safe page is where it must not be.
    fn account_for(&self, supply: &[u64]) {
        let sources = self.sources.iter().flatten().map(|source| &source.frame);
        let all = sources
            .chain(&self.safe)
            .chain(&self.parked)
            .chain(&self.free);
        let numbers = all.copied().map(Mfn::number).sorted();
        assert!(numbers.eq(supply.iter().copied().sorted()));

        for (nr, source) in self.sources.iter().enumerate() {
            let Some(source) = source else { continue };
            assert_eq!(source.page, page_of(source.frame));
            assert_ne!(source.frame, mfn(0));
            let place = self.segments.locate(source.frame);
            let its_own = Location::Data { page: nr };
            assert!(place == Location::Outside || place == its_own, "{place:?}");
        }
        for frame in &self.safe {
            assert_eq!(self.segments.locate(*frame), Location::Outside);
        }
    }
}

/// What is in a page of the small machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// What was there before, in this frame.
    Old(u64),
    /// The data of a page.
    Data(usize),
    /// A page of the list, or another one that the hand-over needs until the end.
    Safe(usize),
    /// Zeros.
    Zero,
}

/// Reads the list back from its pages as the hand-over does, page by page.
fn walk(list: &[CopyListPage], frames: &[Mfn]) -> Vec<(u64, Option<u64>)> {
    let mut copies = Vec::new();
    let mut at = Some(0);
    let mut seen = 0;
    while let Some(index) = at {
        let page: &CopyListPage = &list[index];
        seen += 1;
        assert!(page.nr as usize <= ENTRIES_PER_PAGE);
        let (valid, rest) = page.entries.split_at(page.nr as usize);
        assert!(rest.iter().all(|entry| *entry == Entry::default()));
        for entry in valid {
            assert!(entry.len > 0);
            assert_eq!(
                [entry.dst, entry.src, entry.len].map(|it| it % PAGE),
                [0; 3]
            );
            for page in 0..entry.len / PAGE {
                let src = (entry.src != ZERO_FILL).then_some(entry.src / PAGE + page);
                copies.push((entry.dst / PAGE + page, src));
            }
        }
        at = (page.next != 0).then(|| {
            let next = frames.iter().position(|f| f.start().raw() == page.next);
            next.expect("a page of the list")
        });
    }
    assert_eq!(seen, list.len());
    copies
}

/// Writes the list of a laid-out image to its safe pages, which are as many as the bound says.
fn write_list(loaded: &Loaded) -> Vec<CopyListPage> {
    let list = CopyList::new(&loaded.segments, &loaded.sources).expect("a good layout");
    let runs = list.runs().count();
    assert_eq!(loaded.safe.len(), list_pages_bound(&loaded.segments));
    assert!(list_pages_needed(runs) <= loaded.safe.len());

    let mut writer = list.writer();
    let mut pages = Vec::new();
    for index in 0..loaded.safe.len() {
        let mut page = dirty_page();
        let written = writer.write(&mut page, loaded.safe.get(index + 1).copied());
        pages.push(page);
        if written.expect("the bound is enough") == Written::Last {
            break;
        }
    }
    assert_eq!(pages.len(), list_pages_needed(runs));
    pages
}

/// Loads the image, hands over with the copies done in this order, and looks at all of memory.
fn hand_over(machine: &Machine) -> bool {
    let Machine {
        layout,
        supply,
        order,
    } = machine;
    let wanted = list_pages_bound(&segments(layout));
    let loaded = load(layout, supply, wanted);
    if loaded.sources.iter().any(Option::is_none) || loaded.safe.len() < wanted {
        // Not enough memory, and truly so: nothing is left and nothing was refused without need.
        assert!(loaded.free.is_empty());
        return false;
    }

    let mut memory: Vec<Content> = (0..supply.len() as u64).map(Content::Old).collect();
    for (nr, source) in loaded.sources.iter().flatten().enumerate() {
        memory[source.frame.number() as usize] = Content::Data(nr);
    }
    for (index, frame) in loaded.safe.iter().enumerate() {
        memory[frame.number() as usize] = Content::Safe(index);
    }

    // By the time of the hand-over, the sources and safe pages have what they had. Everything else
    // that is in a destination changes, and nothing else does.
    let mut expected = memory.clone();
    let mut nr = 0;
    for &(page, data, tail) in layout {
        for page in page..page + data {
            expected[page as usize] = Content::Data(nr);
            nr += 1;
        }
        for page in page + data..page + data + tail {
            expected[page as usize] = Content::Zero;
        }
    }

    let copies = walk(&write_list(&loaded), &loaded.safe);
    // In the order of the list, data comes page by page: the order in which it is hashed.
    let listed = copies.iter().filter_map(|(_, src)| *src);
    let placed = loaded.sources.iter().flatten();
    assert!(listed.eq(placed.map(|source| source.frame.number())));

    assert_eq!(copies.len(), order.len());
    for &nr in order {
        let (dst, src) = copies[nr];
        memory[dst as usize] = src.map_or(Content::Zero, |src| memory[src as usize]);
    }
    assert_eq!(memory, expected);
    true
}

#[derive(Debug)]
struct Machine {
    layout: Layout,
    /// All frames, in the order in which they are handed out; they may not be enough.
    supply: Vec<u64>,
    /// The order in which pages are copied or zeroed.
    order: Vec<usize>,
}

prop_compose! {
    /// Machines with so many frames above the layout.
    fn machines(most: usize, pages: u64, above: Range<u64>)(
        layout in layouts(most, pages),
        above in above,
    )(
        supply in Just((0..end_of(&layout) + above).collect_vec()).prop_shuffle(),
        order in Just((0..nr_pages(&layout)).collect_vec()).prop_shuffle(),
        layout in Just(layout),
    ) -> Machine {
        Machine { layout, supply, order }
    }
}

fn nr_pages(layout: &Layout) -> usize {
    let pages = layout.iter().map(|(_, data, tail)| data + tail);
    pages.sum::<u64>() as usize
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn whatever_pages_are_offered_the_next_kernel_finds_its_image(
        machine in machines(6, 8, 1..60),
    ) {
        hand_over(&machine);
    }

    #[test]
    fn with_a_page_outside_for_each_of_data_and_list_it_always_works(
        // 60 pages outside: 6 segments have at most 48 pages of data, the list 1.
        machine in machines(6, 8, 60..61),
    ) {
        prop_assert!(hand_over(&machine));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn lists_of_several_pages_work_too(machine in machines(16, 120, 2000..2001)) {
        prop_assert!(hand_over(&machine));
    }
}
