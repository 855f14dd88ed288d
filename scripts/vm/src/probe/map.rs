//! Pages as the probe and the module tell them: `START END SIZE ATTR`, hexadecimal, END the last
//! byte; behind it `-> PHYS` where the pages are not at their own addresses.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::LazyLock;

use anyhow::{bail, ensure, Context, Result};
use regex::Regex;

/// Bytes, by their addresses.
pub type Bytes = Range<u64>;

/// Neighbouring pages that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    start: u64,
    last: u64,
    /// `4K`, `2M` or `1G`.
    size: String,
    /// The memory type, and behind it what is unusual.
    pub attr: String,
    /// The physical address of the first byte, where that is another one.
    phys: Option<u64>,
}

static PAGES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^([0-9a-f]{16}) ([0-9a-f]{16}) (4K|2M|1G) ([A-Z][A-Za-z,-]+)(?: -> ([0-9a-f]{16}))?$",
    )
    .expect("constant")
});

impl FromStr for Pages {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let found = PAGES.captures(line);
        let found = found.with_context(|| format!("a line that is no map: {line:?}"))?;
        let hex = |text: &str| u64::from_str_radix(text, 16);
        let pages = Self {
            start: hex(&found[1])?,
            last: hex(&found[2])?,
            size: found[3].to_owned(),
            attr: found[4].to_owned(),
            phys: found.get(5).map(|it| hex(it.as_str())).transpose()?,
        };
        ensure!(pages.start < pages.last, "a map without a byte: {line}");
        Ok(pages)
    }
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            start,
            last,
            size,
            attr,
            ..
        } = self;
        write!(f, "{start:x}-{last:x} {size} {attr}")?;
        match self.phys {
            Some(phys) => write!(f, " -> {phys:x}"),
            None => Ok(()),
        }
    }
}

impl Pages {
    /// Whether they are at their own addresses.
    pub fn is_identity(&self) -> bool {
        self.phys.is_none()
    }

    pub fn bytes(&self) -> u64 {
        (self.last - self.start).saturating_add(1)
    }

    /// Where they are, if it is one page of 4 KiB and not at its own address.
    pub fn physical_page(&self) -> Option<u64> {
        self.phys.filter(|_| self.bytes() == 4096)
    }

    /// The same pages, told by where they are and not by where they are mapped.
    pub fn by_physical(&self) -> Self {
        let start = self.phys.unwrap_or(self.start);
        Self {
            start,
            last: start + (self.last - self.start),
            phys: None,
            ..self.clone()
        }
    }

    /// Whether they may be in Linux's direct map: in the upper half of the address space, and as
    /// far from their physical address as all its pages, a multiple of 1 GiB.
    pub fn is_in_direct_map(&self) -> bool {
        let negative = self.start >> 63 != 0;
        let distance = self.phys.map(|phys| self.start.wrapping_sub(phys));
        negative && distance.is_some_and(|bytes| bytes % (1 << 30) == 0)
    }

    /// Whether `next` is the same, right behind these.
    fn goes_on_with(&self, next: &Self) -> bool {
        self.last.checked_add(1) == Some(next.start)
            && (&self.size, &self.attr) == (&next.size, &next.attr)
    }
}

pub fn list(pages: &[&Pages]) -> String {
    let words: Vec<_> = pages.iter().map(ToString::to_string).collect();
    format!("[{}]", words.join(", "))
}

/// Pages at their own addresses, in order, neighbours joined: every map can be written in one such
/// way only, so two of them are the same to the byte or not at all.
fn joined<'a>(pages: impl IntoIterator<Item = &'a Pages>) -> Result<Vec<Pages>> {
    let mut result: Vec<Pages> = Vec::new();
    for next in pages {
        match result.last_mut() {
            Some(last) if last.goes_on_with(next) => last.last = next.last,
            Some(last) if last.last >= next.start => {
                bail!("not in order: {last}, then {next}")
            }
            _ => result.push(next.clone()),
        }
    }
    Ok(result)
}

/// Checks that the pages that were found are those that were announced.
pub fn expect_same(claimed: &[Pages], found: &[&Pages]) -> Result<()> {
    let claimed = joined(claimed).context("the module's map")?;
    let found = joined(found.iter().copied()).context("the probe's map")?;
    let only = |these: &[Pages], those: &[Pages]| {
        let only: Vec<_> = these.iter().filter(|it| !those.contains(it)).collect();
        list(&only)
    };
    ensure!(
        claimed == found,
        "only the module says {}, and only the probe {}",
        only(&claimed, &found),
        only(&found, &claimed)
    );
    Ok(())
}

/// The bytes of `memory`, in order and each of them once.
pub fn joined_bytes(memory: &[Bytes]) -> impl Iterator<Item = Bytes> {
    let mut memory = memory.to_vec();
    memory.sort_by_key(|bytes| bytes.start);
    let mut behind = 0;
    memory.into_iter().map(move |bytes| {
        let start = bytes.start.max(behind);
        behind = bytes.end.max(behind);
        start..bytes.end.max(start)
    })
}

/// How many bytes of the pages are mapped write-back and are none of `memory`, whose pieces do not
/// overlap.
pub fn write_back_outside(pages: &[&Pages], memory: &[Bytes]) -> u64 {
    let inside = memory
        .iter()
        .map(|memory| write_back_inside(pages, memory))
        .sum();
    let all: u64 = write_back(pages).map(Pages::bytes).sum();
    all.saturating_sub(inside)
}

/// How many bytes of `memory` are mapped write-back.
pub fn write_back_inside(pages: &[&Pages], memory: &Bytes) -> u64 {
    write_back(pages)
        .map(|pages| {
            let end = memory.end.min(pages.last.saturating_add(1));
            end.saturating_sub(memory.start.max(pages.start))
        })
        .sum()
}

fn write_back<'a>(pages: &'a [&'a Pages]) -> impl Iterator<Item = &'a Pages> {
    let write_back = |pages: &&&Pages| pages.attr.split(',').next() == Some("WB");
    pages.iter().filter(write_back).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(line: &str) -> Pages {
        line.parse().unwrap()
    }

    #[test]
    fn a_line_is_read_and_shown() {
        let alias = pages("ff272b08c3d7a000 ff272b08c3d7afff 4K WB,nx -> 0000000003d7a000");
        assert_eq!(
            alias.to_string(),
            "ff272b08c3d7a000-ff272b08c3d7afff 4K WB,nx -> 3d7a000"
        );
        assert!(!alias.is_identity() && alias.is_in_direct_map());
        assert_eq!(alias.physical_page(), Some(0x3d7_a000));
        let by_physical = pages("0000000003d7a000 0000000003d7afff 4K WB,nx");
        assert_eq!(alias.by_physical(), by_physical);
        assert_eq!(by_physical.by_physical(), by_physical);
        for line in [
            "",
            "0000000000000000 0000000000000fff 4K",
            "0000000000000000 0000000000000fff 8K WB",
            "0 fff 4K WB",
            "0000000000001000 0000000000000fff 4K WB",
        ] {
            assert!(line.parse::<Pages>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn where_a_map_is_cut_does_not_matter() {
        let whole = [pages("0000000000000000 0000000000003fff 4K WB")];
        let first = pages("0000000000000000 0000000000000fff 4K WB");
        let rest = pages("0000000000001000 0000000000003fff 4K WB");
        assert!(expect_same(&whole, &[&first, &rest]).is_ok());
        let error = expect_same(&whole, &[&first]).unwrap_err().to_string();
        assert_eq!(
            error,
            "only the module says [0-3fff 4K WB], and only the probe [0-fff 4K WB]"
        );
        assert!(expect_same(&whole, &[&rest, &first]).is_err());
    }

    #[test]
    fn what_is_not_memory_is_counted_to_the_byte() {
        let low = pages("0000000000000000 0000000000003fff 4K WB,global");
        let device = pages("0000000000004000 0000000000007fff 4K UC");
        let memory = [0..0x1000, 0x2000..0x2001, 0x3fff..0x5000];
        let outside = write_back_outside(&[&low, &device], &memory);
        assert_eq!(outside, 0x4000 - 0x1000 - 2);
        assert_eq!(
            write_back_inside(&[&low, &device], &(0x3000..0x5000)),
            0x1000
        );
    }

    #[test]
    fn no_byte_of_memory_counts_twice() {
        let memory = [0x3000..0x5000, 0..0x1000, 0x4000..0x4800, 0x4800..0x6000];
        let joined: Vec<_> = joined_bytes(&memory).collect();
        assert_eq!(
            joined,
            [0..0x1000, 0x3000..0x5000, 0x5000..0x5000, 0x5000..0x6000]
        );
    }
}
