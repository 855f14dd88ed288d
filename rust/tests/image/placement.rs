//! Which page keeps which data: the rules one by one.

use rkexec::placement::{is_safe, Offer, Placement, Source};

use super::model::{page_of, segments, source, Layout};
use crate::common::{mfn, pages};

/// Sources with these numbers.
fn sources_of(numbers: [u64; 5]) -> [Option<Source<u64>>; 5] {
    numbers.map(|number| Some(source(number)))
}

fn offer(placement: &mut Placement<'_, u64>, number: u64) -> Offer<u64> {
    placement.offer(page_of(mfn(number)), mfn(number))
}

fn offer_spare(placement: &mut Placement<'_, u64>, number: u64) -> Offer<u64> {
    placement.offer_spare(page_of(mfn(number)), mfn(number))
}

/// Offers all of them; each gets a place.
fn place(placement: &mut Placement<'_, u64>, numbers: &[u64]) {
    for &number in numbers {
        assert_eq!(offer(placement, number), Offer::Placed, "{number}");
    }
}

/// Data at pages 10-12 with a tail at 13-14, and data at pages 4-5.
fn example() -> Layout {
    vec![(10, 3, 2), (4, 2, 0)]
}

#[test]
fn the_number_of_sources_has_to_match() {
    let segments = segments(&example());
    for (sources, fits) in [(0, false), (4, false), (5, true), (6, false)] {
        let mut sources: Vec<Option<Source<u64>>> = vec![None; sources];
        assert_eq!(Placement::new(&segments, &mut sources).is_some(), fits);
    }
}

#[test]
fn pages_outside_go_to_the_next_data_without_a_source() {
    let segments = segments(&example());
    let mut sources = [None; 5];
    let mut placement = Placement::new(&segments, &mut sources).expect("five pages");
    assert_eq!(placement.missing(), 5);
    for number in [3, 6, 9, 15] {
        place(&mut placement, &[number]);
        assert!(!placement.is_full());
    }
    place(&mut placement, &[1000]);
    assert!(placement.is_full());
    assert_eq!(offer(&mut placement, 2000), Offer::Spare(source(2000)));
    assert_eq!(sources, sources_of([3, 6, 9, 15, 1000]));
}

#[test]
fn a_page_inside_a_destination_becomes_the_source_of_its_own_data() {
    let segments = segments(&example());
    let mut sources = [None; 5];
    let mut placement = Placement::new(&segments, &mut sources).expect("five pages");
    // The last one displaces page 100, which moves on.
    place(&mut placement, &[11, 100, 101, 10]);
    assert_eq!(placement.missing(), 1);
    place(&mut placement, &[5]);
    assert!(placement.is_full());
    // Displaces page 101, for which every data page has a source.
    assert_eq!(offer(&mut placement, 12), Offer::Spare(source(101)));
    assert_eq!(sources, sources_of([10, 11, 12, 100, 5]));
}

#[test]
fn pages_in_a_tail_and_frame_0_are_kept_aside() {
    let segments = segments(&vec![(0, 1, 0), (10, 3, 2)]);
    let mut sources = [None; 4];
    let mut placement = Placement::new(&segments, &mut sources).expect("four sources");
    for number in [0, 13, 14] {
        assert_eq!(offer(&mut placement, number), Offer::Park(source(number)));
        let spare = offer_spare(&mut placement, number);
        assert_eq!(spare, Offer::Park(source(number)));
    }
    assert_eq!(placement.missing(), 4);
}

#[test]
fn a_spare_page_is_never_in_a_destination() {
    let segments = segments(&example());
    let mut sources = [None; 5];
    let mut placement = Placement::new(&segments, &mut sources).expect("five pages");
    assert_eq!(offer_spare(&mut placement, 20), Offer::Spare(source(20)));
    assert_eq!(offer_spare(&mut placement, 12), Offer::Placed);
    assert_eq!(placement.missing(), 4);
    place(&mut placement, &[21]);
    // Page 21 loses its source and is as good as any for the list.
    assert_eq!(offer_spare(&mut placement, 10), Offer::Spare(source(21)));
    assert_eq!(placement.missing(), 3);

    let among = |numbers: &[u64], destination, safe| {
        for &number in numbers {
            let frame = mfn(number);
            let found = (placement.is_destination(frame), placement.is_safe(frame));
            assert_eq!(found, (destination, safe), "{number}");
        }
    };
    among(&[4, 5, 12, 13, 14], true, false);
    among(&[3, 6, 15], false, true);
    among(&[0], false, false);
}

#[test]
fn a_placement_goes_on_where_an_earlier_one_stopped() {
    let segments = segments(&example());
    let mut sources = [None; 5];
    let mut placement = Placement::new(&segments, &mut sources).expect("five pages");
    place(&mut placement, &[100, 12, 101]);
    let mut placement = Placement::new(&segments, &mut sources).expect("five pages");
    assert_eq!(placement.missing(), 2);
    place(&mut placement, &[102, 103]);
    assert!(placement.is_full());
    assert_eq!(sources, sources_of([100, 101, 12, 102, 103]));
}

#[test]
fn a_frame_offered_twice_does_not_get_in_to_other_data() {
    let segments = segments(&example());
    let mut sources = [None; 5];
    let mut placement = Placement::new(&segments, &mut sources).expect("five pages");
    assert_eq!(offer(&mut placement, 11), Offer::Placed);
    assert_eq!(placement.offer(7, mfn(11)), Offer::Park(source(11)));
    assert_eq!(placement.missing(), 4);
}

#[test]
fn what_is_no_data_lies_in_memory_of_the_map_and_in_no_destination() {
    let segments = segments(&example());
    // Memory was added behind page 39, and page 30 is a hole.
    let ram = [pages(1, 29), pages(31, 9)];
    // In the way of the others: page 0, a destination, its tail, the hole, the end of memory.
    let safe = [(1, 3), (15, 15), (31, 9)];
    let unsafe_ones = [(0, 2), (3, 2), (14, 1), (15, 16), (29, 3), (39, 2), (40, 1)];
    let found = |(first, nr)| is_safe(pages(first, nr), &segments, &ram);
    assert_eq!(safe.map(found), [true; 3]);
    assert_eq!(unsafe_ones.map(found), [false; 7]);
    assert!(!is_safe(pages(1, 1), &segments, &[]));
}
