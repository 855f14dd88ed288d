//! Memory maps of real machines, and one that no machine has yet.

use std::path::Path;

use formats::e820::{self, Machine};
use rkexec::memmap::MapEntry;

/// All maps in `tests/e820`, in the order of their names.
pub fn all() -> Vec<Machine> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e820");
    e820::folder(&folder).expect("the folder of maps")
}

/// The map whose file's name starts like this.
pub fn named(prefix: &str) -> Machine {
    let mut all = all().into_iter();
    all.find(|map| map.name.starts_with(prefix))
        .expect("a map of that name")
}

/// The two-socket machine with 512 GiB grown to 64 TiB: the same entries with the same edges, but
/// half as far apart as 64 TiB where its two halves of memory lie, above 4 GiB.
pub fn grown_to_64_tib(map: &[MapEntry]) -> Vec<MapEntry> {
    const FIRST_HALF: u64 = 4 << 30;
    const SECOND_HALF: u64 = 0x40_8000_0000;
    const GROWTH: u64 = ((64 << 40) - (512 << 30)) / 2;
    let moved = |addr: u64| {
        let halves = [FIRST_HALF, SECOND_HALF].iter();
        addr + GROWTH * halves.filter(|&&half| half < addr).count() as u64
    };
    let entries = map.iter().map(|entry| MapEntry {
        start: moved(entry.start),
        len_bytes: moved(entry.start + entry.len_bytes) - moved(entry.start),
        kind_raw: entry.kind_raw,
    });
    entries.collect()
}

/// The bytes that the map calls usable.
pub fn ram_bytes(map: &[MapEntry]) -> u64 {
    let ram = map.iter().filter(|entry| entry.kind_raw == 1);
    ram.map(|entry| entry.len_bytes).sum()
}
