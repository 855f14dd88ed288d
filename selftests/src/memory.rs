//! Maps of a machine's memory, from whoever has one to tell.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};

use crate::files::{self, hex};
use crate::report::Report;

/// `E820_TYPE_RAM` and so on.
const NAMES: [(u32, &str); 6] = [
    (1, "System RAM"),
    (2, "Reserved"),
    (3, "ACPI Tables"),
    (4, "ACPI Non-volatile Storage"),
    (5, "Unusable memory"),
    (7, "Persistent Memory"),
];

/// The E820 type of usable memory.
pub const RAM: u32 = 1;

/// How many differences of two maps are told of: all of them may not fit in a line of the report.
const SHOWN: usize = 4;

/// One line of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// The first byte.
    pub start: u64,
    /// The first byte behind it.
    pub end: u64,
    /// The E820 type.
    pub kind: u32,
}

/// A map: sorted, neighbours of one type joined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Map(Vec<Entry>);

impl Map {
    /// The map with these lines.
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.retain(|entry| entry.start < entry.end);
        entries.sort_unstable();
        let mut joined: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            match joined.last_mut() {
                Some(last) if last.end == entry.start && last.kind == entry.kind => {
                    last.end = entry.end;
                }
                _ => joined.push(entry),
            }
        }
        Self(joined)
    }

    /// The lines.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    fn only(&self, wanted: impl Fn(&Entry) -> bool) -> Self {
        Self(self.0.iter().copied().filter(wanted).collect())
    }

    /// The map with other bounds for each line.
    fn bounded(&self, bounds: impl Fn(u64, u64) -> (u64, u64)) -> Self {
        let mut entries = self.0.clone();
        for entry in &mut entries {
            (entry.start, entry.end) = bounds(entry.start, entry.end);
        }
        Self::new(entries)
    }

    /// Only the lines with usable memory.
    pub fn ram(&self) -> Self {
        self.only(|entry| entry.kind == RAM)
    }

    /// Only the lines with anything else than usable memory.
    #[must_use]
    pub fn others(&self) -> Self {
        self.only(|entry| entry.kind != RAM)
    }

    /// The map without anything below `bound`.
    #[must_use]
    pub fn above(&self, bound: u64) -> Self {
        self.bounded(|start, end| (start.max(bound), end))
    }

    /// The map without anything from `bound` on.
    #[must_use]
    pub fn below(&self, bound: u64) -> Self {
        self.bounded(|start, end| (start, end.min(bound)))
    }

    /// The map with a hole there.
    #[must_use]
    pub fn without(&self, hole: &Range<u64>) -> Self {
        self.below(hole.start).and(&self.above(hole.end))
    }

    /// Both maps, which do not overlap.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self::new([&*self.0, &*other.0].concat())
    }

    /// The same in whole pages, outwards.
    #[must_use]
    pub fn in_pages(&self) -> Self {
        const PAGE: u64 = 4096;
        self.bounded(|start, end| (start & !(PAGE - 1), end.next_multiple_of(PAGE)))
    }

    /// Bytes in all lines together.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|entry| entry.end - entry.start).sum()
    }

    /// What the running kernel was handed (`/sys/firmware/memmap`).
    pub fn of_firmware() -> Result<Self> {
        let mut entries = Vec::new();
        for dir in std::fs::read_dir("/sys/firmware/memmap").context("/sys/firmware/memmap")? {
            let dir = dir?.path();
            let read = |name| files::read(&dir.join(name).display().to_string());
            let kind = read("type")?;
            let known = NAMES.iter().find(|(_, name)| *name == kind);
            let (kind, _) = known.with_context(|| format!("a memory type {kind:?}"))?;
            let start = hex(&read("start")?)?;
            let end = hex(&read("end")?)? + 1;
            let kind = *kind;
            entries.push(Entry { start, end, kind });
        }
        Ok(Self::new(entries))
    }

    /// Checks that it has at least so many lines, and tells how many it has.
    pub fn expect_lines(&self, report: &mut Report, least: usize) -> Result<()> {
        let count = self.0.len();
        report.note(&format!("{count} lines"));
        ensure!(count >= least, "{count} lines, and not {least} at least");
        Ok(())
    }

    /// Fails with the first differences, unless `handed` is this map.
    pub fn expect(&self, handed: &Self) -> Result<()> {
        if self == handed {
            return Ok(());
        }
        let missing: Vec<_> = self.0.iter().filter(|it| !handed.0.contains(it)).collect();
        let extra: Vec<_> = handed.0.iter().filter(|it| !self.0.contains(it)).collect();
        let list = |entries: &[&Entry]| {
            let shown = entries.iter().take(SHOWN).map(ToString::to_string);
            let mut lines: Vec<_> = shown.collect();
            if entries.len() > SHOWN {
                lines.push(format!("and {} more", entries.len() - SHOWN));
            }
            lines.join(", ")
        };
        bail!(
            "expected but not there: [{}]; there unexpectedly: [{}]",
            list(&missing),
            list(&extra)
        )
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES
            .iter()
            .find(|(kind, _)| *kind == self.kind)
            .map_or("?", |(_, name)| name);
        write!(f, "{:#x}-{:#x} {name}", self.start, self.end - 1)
    }
}

/// Usable memory as the runner writes it: `START-END,START-END` in hexadecimal, ends inclusive.
impl FromStr for Map {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let entry = |range: &str| {
            let (start, end) = range.split_once('-').context("a range without a dash")?;
            let (start, end) = (hex(start)?, hex(end)? + 1);
            ensure!(start < end, "an empty range: {range}");
            Ok(Entry {
                start,
                end,
                kind: RAM,
            })
        };
        Ok(Self::new(
            text.split(',').map(entry).collect::<Result<_>>()?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_type_are_one_line() {
        let entry = |start, end, kind| Entry { start, end, kind };
        let map = Map::new(vec![
            entry(3, 5, 1),
            entry(0, 1, 1),
            entry(1, 3, 1),
            entry(5, 6, 2),
        ]);
        assert_eq!(map.entries(), [entry(0, 5, 1), entry(5, 6, 2)]);
        assert_eq!(map.ram().bytes(), 5);
    }

    #[test]
    fn maps_are_cut_and_put_together() {
        let map: Map = "0-9fbff,100000-7ffdffff".parse().unwrap();
        let holed = map.without(&(0x100_0000..0x200_0000));
        let expected: Map = "0-9fbff,100000-ffffff,2000000-7ffdffff".parse().unwrap();
        assert_eq!(holed, expected);
        assert_eq!(map.below(0x10_0000), "0-9fbff".parse().unwrap());
        assert_eq!(map.without(&(0..u64::MAX)), Map::default());
        let pages: Map = "0-9ffff,100000-7ffdffff".parse().unwrap();
        assert_eq!(map.in_pages(), pages);
        let (start, end, kind) = (0x9_fc00, 0xa_0000, 2);
        let reserved = Entry { start, end, kind };
        let both = map.and(&Map::new(vec![reserved]));
        assert_eq!(both.ram(), map);
        assert_eq!(both.others().entries(), [reserved]);
    }

    #[test]
    fn the_runners_notation_is_read_and_differences_are_named() {
        let map: Map = "0-9fbff,100000-7ffdffff".parse().unwrap();
        assert_eq!(map.bytes(), 0x9fc00 + 0x7fee_0000);
        let other: Map = "0-9fbff".parse().unwrap();
        let error = map.expect(&other).unwrap_err().to_string();
        let missing = "not there: [0x100000-0x7ffdffff System RAM]";
        assert!(error.contains(missing), "{error}");
        assert!("5-4".parse::<Map>().is_err());
        let long: Map = "0-1,4-5,8-9,c-d,10-11,14-15".parse().unwrap();
        let error = long.expect(&Map::default()).unwrap_err().to_string();
        assert!(error.contains("0xc-0xd System RAM, and 2 more]"), "{error}");
    }
}
