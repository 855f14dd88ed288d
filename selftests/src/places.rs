//! Where in the machine's memory to put an image: the cases that matter, by name.

use std::fmt;
use std::str::FromStr;

use anyhow::{bail, ensure, Context, Result};

use crate::image::Sizes;
use crate::memory::Map;
use crate::ownership::{self, Ownership};
use crate::xen::Xen;

/// A choice of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The lowest that fit, as a boot loader does.
    Lowest,
    /// Memory that is Xen's own to give away.
    XenHeap,
    /// Memory that dom0 has.
    Dom0,
    /// The kernel over the code of the one that runs now.
    Dom0Kernel,
    /// The initrd over Xen.
    Xen,
    /// Above 4 GiB.
    High,
}

const NAMES: [(Destination, &str); 6] = [
    (Destination::Lowest, "lowest"),
    (Destination::XenHeap, "xen-heap"),
    (Destination::Dom0, "dom0"),
    (Destination::Dom0Kernel, "dom0-kernel"),
    (Destination::Xen, "xen"),
    (Destination::High, "high"),
];

impl FromStr for Destination {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = NAMES.iter().find(|(_, name)| *name == text);
        Ok(found
            .with_context(|| format!("there is no destination {text:?}"))?
            .0)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            NAMES
                .iter()
                .find(|(it, _)| it == self)
                .map_or("?", |(_, name)| name),
        )
    }
}

/// Where the parts of an image go: machine addresses (on bare metal: physical ones).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The kernel.
    pub kernel: u64,
    /// The initrd.
    pub initrd: u64,
    /// What the kernel is started with.
    pub start: u64,
}

/// Firmware and boot code are at home below, and the kernel does not want to be there.
const LOWEST: u64 = 16 << 20;
const HIGH: u64 = 4 << 30;
const PAGE: u64 = 4096;

/// Finds places for an image of these sizes in the machine that `machine` describes.
///
/// # Errors
///
/// There is no such place, or Xen does not tell what would have to be known.
pub fn find(destination: Destination, machine: &Map, sizes: Sizes) -> Result<Places> {
    let mut free = Free::of(machine);
    free.keep(LOWEST, u64::MAX);
    match destination {
        Destination::Lowest => {}
        Destination::High => free.keep(HIGH, u64::MAX),
        Destination::XenHeap => {
            let xen = Xen::open()?;
            let own = xen.own_range()?;
            free.keep_runs(&Ownership::read(&xen)?.runs(false));
            free.remove(own.start, own.start + own.bytes);
            // The end of memory is where Xen takes the pages from that it needs for an image.
            free.0.reverse();
        }
        Destination::Dom0 => {
            free.keep_runs(&Ownership::read(&Xen::open()?)?.runs(true));
            free.prefer_largest();
        }
        Destination::Dom0Kernel => {
            let code = ownership::machine_address_of_kernel_code(&Ownership::read(&Xen::open()?)?)?;
            let kernel = code & !(sizes.alignment - 1);
            free.take_at(kernel, sizes.kernel)?;
            let (initrd, start) = (
                free.take(sizes.initrd, PAGE)?,
                free.take(sizes.start, PAGE)?,
            );
            return Ok(Places {
                kernel,
                initrd,
                start,
            });
        }
        Destination::Xen => {
            let own = Xen::open()?.own_range()?;
            let end = free.end_of_range_with(own.start)?;
            let last = end
                .checked_sub(sizes.initrd)
                .context("the initrd is too large")?;
            let initrd = own.start.min(last) & !(PAGE - 1);
            ensure!(
                initrd <= own.start && own.start + own.bytes <= initrd + sizes.initrd,
                "the initrd does not cover all of Xen"
            );
            free.take_at(initrd, sizes.initrd)?;
            let kernel = free.take(sizes.kernel, sizes.alignment)?;
            return Ok(Places {
                kernel,
                initrd,
                start: free.take(sizes.start, PAGE)?,
            });
        }
    }
    let kernel = free.take(sizes.kernel, sizes.alignment)?;
    let (initrd, start) = (
        free.take(sizes.initrd, PAGE)?,
        free.take(sizes.start, PAGE)?,
    );
    Ok(Places {
        kernel,
        initrd,
        start,
    })
}

/// Memory that is still to be had: ranges of whole pages, in the order of preference.
#[derive(Debug)]
struct Free(Vec<(u64, u64)>);

impl Free {
    fn of(map: &Map) -> Self {
        let pages = |start: u64, end: u64| (start.next_multiple_of(PAGE), end & !(PAGE - 1));
        Self(
            map.ram()
                .entries()
                .iter()
                .map(|entry| pages(entry.start, entry.end))
                .collect(),
        )
    }

    /// Leaves only what is inside `start..end`.
    fn keep(&mut self, start: u64, end: u64) {
        self.keep_runs(&[(start, end)]);
    }

    /// Leaves only what is inside one of the runs.
    fn keep_runs(&mut self, runs: &[(u64, u64)]) {
        let old = std::mem::take(&mut self.0);
        for (start, end) in old {
            for (run_start, run_end) in runs {
                let (start, end) = (start.max(*run_start), end.min(*run_end));
                if start < end {
                    self.0.push((start, end));
                }
            }
        }
    }

    fn remove(&mut self, start: u64, end: u64) {
        self.keep_runs(&[(0, start), (end, u64::MAX)]);
    }

    fn prefer_largest(&mut self) {
        self.0
            .sort_by_key(|(start, end)| std::cmp::Reverse(end - start));
    }

    /// The first place of this size that there is.
    fn take(&mut self, bytes: u64, alignment: u64) -> Result<u64> {
        for (start, end) in &self.0 {
            let at = start.next_multiple_of(alignment);
            if at.checked_add(bytes).is_some_and(|behind| behind <= *end) {
                self.take_at(at, bytes)?;
                return Ok(at);
            }
        }
        bail!("there is no place for {bytes:#x} bytes")
    }

    fn take_at(&mut self, at: u64, bytes: u64) -> Result<()> {
        let end = at.checked_add(bytes).context("the end of all addresses")?;
        let inside = |(start, behind): &(u64, u64)| *start <= at && end <= *behind;
        ensure!(
            self.0.iter().any(inside),
            "{at:#x}-{end:#x} is not all usable memory"
        );
        self.remove(at, end.next_multiple_of(PAGE));
        Ok(())
    }

    fn end_of_range_with(&self, address: u64) -> Result<u64> {
        let has = |(start, end): &&(u64, u64)| *start <= address && address < *end;
        Ok(self
            .0
            .iter()
            .find(has)
            .with_context(|| format!("{address:#x} is no memory"))?
            .1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn sizes() -> Sizes {
        Sizes {
            kernel: 60 * MIB,
            alignment: 2 * MIB,
            initrd: 40 * MIB + 5,
            start: 3 * PAGE,
        }
    }

    #[test]
    fn parts_get_the_lowest_places_and_do_not_overlap() {
        let map: Map = "0-9fbff,100000-7ffdffff,100000000-1bfffffff"
            .parse()
            .unwrap();
        let low = find(Destination::Lowest, &map, sizes()).unwrap();
        let expected = Places {
            kernel: 16 * MIB,
            initrd: 76 * MIB,
            start: (116 * MIB + 5).next_multiple_of(PAGE),
        };
        assert_eq!(low, expected);
        let high = find(Destination::High, &map, sizes()).unwrap();
        assert_eq!(high.kernel, HIGH);
    }

    #[test]
    fn no_place_is_an_error() {
        let map: Map = "0-9fbff,100000-7ffffff".parse().unwrap();
        assert!(find(Destination::High, &map, sizes()).is_err());
        let sizes = Sizes {
            initrd: 128 * MIB,
            ..sizes()
        };
        assert!(find(Destination::Lowest, &map, sizes).is_err());
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for (destination, _) in NAMES {
            assert_eq!(
                destination.to_string().parse::<Destination>().unwrap(),
                destination
            );
        }
    }
}
