//! Sorting without a way to panic.
//!
//! `core` sorts faster, but its sort panics where an order contradicts itself. That never happens
//! with numbers; the code is there all the same, in a module of the kernel, and the kernel's objtool
//! (7.3) does not know that the function it calls does not return.

use core::mem::swap;

/// Sorts `items` in place, in O(n log n) steps at worst (heap sort).
pub(super) fn sort<T: Copy + Ord>(items: &mut [T]) {
    let nr = items.len();
    for root in (0..nr / 2).rev() {
        sift_down(items, root);
    }
    for last in (1..nr).rev() {
        if let Some([largest, .., end]) = items.get_mut(..=last) {
            swap(largest, end);
        }
        sift_down(items.get_mut(..last).unwrap_or_default(), 0);
    }
}

/// Makes a heap of the tree at `root`, whose two branches are heaps: no item is larger than the one
/// above it.
fn sift_down<T: Copy + Ord>(items: &mut [T], mut root: usize) {
    loop {
        let left = root.saturating_mul(2).saturating_add(1);
        let right = left.saturating_add(1);
        let child = match items.get(right) {
            Some(item) if items.get(left) < Some(item) => right,
            _ => left,
        };
        let (Some(&above), Some(&below)) = (items.get(root), items.get(child)) else {
            return;
        };
        if above >= below {
            return;
        }
        for (at, item) in [(root, below), (child, above)] {
            if let Some(place) = items.get_mut(at) {
                *place = item;
            }
        }
        root = child;
    }
}

#[cfg(test)]
mod tests {
    use super::sort;

    /// Every array of up to seven small numbers, so every order and every tie.
    #[test]
    fn every_short_array_comes_out_in_order() {
        for len in 0..=7u32 {
            for code in 0..5u32.pow(len) {
                let mut items = [0; 7];
                let items = &mut items[..len as usize];
                for (i, item) in (0..).zip(items.iter_mut()) {
                    *item = code / 5u32.pow(i) % 5;
                }
                let mut expected = [0; 7];
                let expected = &mut expected[..len as usize];
                expected.copy_from_slice(items);
                expected.sort_unstable();
                sort(items);
                assert_eq!(items, expected);
            }
        }
    }
}
