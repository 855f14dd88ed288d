//! Where in the machine's memory to put an image: the cases that matter, by name.

use anyhow::{bail, ensure, Context, Result};
use rkexec_protocol::choice::Destination;

use crate::memory::Map;
use crate::ownership::{self, Ownership};
use crate::xen::Xen;

/// Firmware and boot code are at home below, and the kernel does not want to be there.
const LOWEST: u64 = 16 << 20;
const HIGH: u64 = 4 << 30;
const PAGE: u64 = 4096;

/// How much memory the parts of an image need, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub kernel: u64,
    /// What its place has to be a multiple of.
    pub alignment: u64,
    pub initrd: u64,
    pub start: u64,
}

/// Where the parts of an image go: machine addresses (on bare metal: physical ones).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    pub kernel: u64,
    pub initrd: u64,
    pub start: u64,
}

/// Finds places for an image of these sizes in the machine that `machine` describes.
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
            free.remove(own.start, own.end());
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
            return free.places(sizes, Some(kernel), None);
        }
        Destination::Xen => {
            let own = Xen::open()?.own_range()?;
            let end = free.end_of_range_with(own.start)?;
            let last = end
                .checked_sub(sizes.initrd)
                .context("the initrd is too large")?;
            let initrd = own.start.min(last) & !(PAGE - 1);
            ensure!(
                initrd <= own.start && own.end() <= initrd + sizes.initrd,
                "the initrd does not cover all of Xen"
            );
            free.take_at(initrd, sizes.initrd)?;
            return free.places(sizes, None, Some(initrd));
        }
    }
    free.places(sizes, None, None)
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

    fn keep(&mut self, start: u64, end: u64) {
        self.keep_runs(&[(start, end)]);
    }

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

    /// Places for all parts that have none yet.
    fn places(&mut self, sizes: Sizes, kernel: Option<u64>, initrd: Option<u64>) -> Result<Places> {
        let mut place = |known: Option<u64>, bytes, alignment| match known {
            Some(place) => Ok(place),
            None => self.take(bytes, alignment),
        };
        Ok(Places {
            kernel: place(kernel, sizes.kernel, sizes.alignment)?,
            initrd: place(initrd, sizes.initrd, PAGE)?,
            start: place(None, sizes.start, PAGE)?,
        })
    }

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
}
