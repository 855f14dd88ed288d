//! Memory by its edges: what a map says of each byte, as slowly as that can be worked out.

use itertools::Itertools;
use rkexec::abi::handover::LOW_BYTES;
use rkexec::addr::{Maddr, PHYS_END};
use rkexec::elfcore::{Load, Loads};
use rkexec::memmap::MapEntry;
use rkexec::range::MaRange;

use crate::common::ma;

fn has(entry: &MapEntry, byte: u64) -> bool {
    let end = u128::from(entry.start) + u128::from(entry.len_bytes);
    entry.start <= byte && u128::from(byte) < end
}

/// Whether a dump is to show this byte.
fn is_memory(map: &[MapEntry], crash: MaRange, byte: u64) -> bool {
    let mut kinds = map.iter().filter(|e| has(e, byte)).map(|e| e.kind_raw);
    kinds.next() == Some(1) && kinds.all(|kind| kind == 1) && !crash.contains(ma(byte))
}

/// All loads, after a check of every rule on them.
pub fn checked(map: &[MapEntry], crash: MaRange, backup: Option<Maddr>) -> Vec<Load> {
    let loads: Vec<_> = Loads::new(map, crash, backup).unwrap().collect();
    // Between two edges all bytes are alike.
    let mut edges = vec![0, LOW_BYTES, crash.start().raw(), crash.end().raw()];
    for entry in map {
        edges.extend([entry.start, entry.start.saturating_add(entry.len_bytes)]);
    }
    for load in &loads {
        assert!(!load.range.is_empty());
        edges.extend([load.range.start().raw(), load.range.end().raw()]);
    }
    let bytes = edges.into_iter().filter(|&edge| edge < PHYS_END);
    for byte in bytes.sorted().dedup() {
        let of_it = loads.iter().filter(|load| load.range.contains(ma(byte)));
        let of_it = of_it.collect_vec();
        let expected = usize::from(is_memory(map, crash, byte));
        assert_eq!(of_it.len(), expected, "{byte:#x} in {of_it:?}, {map:x?}");
        for load in of_it {
            let read_at = load.saved_at.raw() + (byte - load.range.start().raw());
            let moved = backup.filter(|_| byte < LOW_BYTES);
            assert_eq!(read_at, moved.map_or(byte, |at| at.raw() + byte));
        }
    }
    loads
}
