//! Memory maps of real machines, and one that no machine has yet.

use std::fs;
use std::path::Path;

use rkexec::memmap::MapEntry;

/// A machine's map and the name of its file.
pub struct RealMap {
    pub name: String,
    pub entries: Vec<MapEntry>,
}

/// All maps in `tests/e820`, in the order of their names.
pub fn all() -> Vec<RealMap> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e820");
    let mut maps: Vec<_> = fs::read_dir(folder)
        .expect("the folder of maps")
        .map(|file| {
            let path = file.expect("a file in it").path();
            RealMap {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                entries: parse(&fs::read_to_string(&path).expect("a map")),
            }
        })
        .collect();
    maps.sort_by(|a, b| a.name.cmp(&b.name));
    maps
}

/// The map whose file's name starts like this.
pub fn named(prefix: &str) -> RealMap {
    all()
        .into_iter()
        .find(|map| map.name.starts_with(prefix))
        .expect("a map of that name")
}

/// `START END TYPE`, hexadecimal, the end inclusive; a `#` starts a comment.
fn parse(text: &str) -> Vec<MapEntry> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let mut number = || u64::from_str_radix(words.next().unwrap(), 16).unwrap();
            let (start, last) = (number(), number());
            entry(start, last + 1, kind(words.next().unwrap()))
        })
        .collect()
}

fn kind(label: &str) -> u32 {
    match label {
        "usable" => 1,
        "reserved" => 2,
        "ACPI data" => 3,
        "ACPI NVS" => 4,
        "unusable" => 5,
        "type 20" => 20,
        other => panic!("what is {other:?}?"),
    }
}

/// The entry from `start` up to `end`.
pub fn entry(start: u64, end: u64, kind_raw: u32) -> MapEntry {
    MapEntry {
        start,
        len_bytes: end - start,
        kind_raw,
    }
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
    map.iter()
        .map(|e| entry(moved(e.start), moved(e.start + e.len_bytes), e.kind_raw))
        .collect()
}

/// The bytes that the map calls usable.
pub fn ram_bytes(map: &[MapEntry]) -> u64 {
    map.iter()
        .filter(|entry| entry.kind_raw == 1)
        .map(|entry| entry.len_bytes)
        .sum()
}
