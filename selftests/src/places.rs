//! Where in the machine's memory to put an image: the cases that matter, by name.

use std::cmp::Reverse;

use anyhow::{ensure, Context, Result};
use rkexec_protocol::choice::Destination;

use crate::memory::{Entry, Map};
use crate::ownership::{self, Ownership};
use crate::xen::{Range, Xen};

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
    free.remove(0..LOWEST);
    match destination {
        Destination::Lowest => {}
        Destination::High => free.remove(0..HIGH),
        Destination::XenHeap => {
            let xen = Xen::open()?;
            free.keep(&Ownership::read(&xen)?.runs(false));
            free.remove(xen.own_range()?);
            // The end of memory is where Xen takes the pages from that it needs for an image.
            free.0.reverse();
        }
        Destination::Dom0 => {
            free.keep(&Ownership::read(&Xen::open()?)?.runs(true));
            free.0.sort_by_key(|run| Reverse(run.end - run.start));
        }
        Destination::Dom0Kernel => {
            let code = ownership::machine_address_of_kernel_code(&Ownership::read(&Xen::open()?)?)?;
            let kernel = code & !(sizes.alignment - 1);
            free.take_at(kernel, sizes.kernel)?;
            return free.places(sizes, Some(kernel), None);
        }
        Destination::Xen => {
            let own = Xen::open()?.own_range()?;
            let last = free.range_with(own.start)?.end.checked_sub(sizes.initrd);
            let last = last.context("the initrd is too large")?;
            let initrd = own.start.min(last) & !(PAGE - 1);
            ensure!(
                initrd <= own.start && own.end <= initrd + sizes.initrd,
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
struct Free(Vec<Range>);

impl Free {
    fn of(map: &Map) -> Self {
        let pages = |it: &Entry| it.start.next_multiple_of(PAGE)..it.end & !(PAGE - 1);
        Self(map.ram().entries().iter().map(pages).collect())
    }

    fn keep(&mut self, runs: &[Range]) {
        let old = std::mem::take(&mut self.0);
        let pairs = old
            .iter()
            .flat_map(|it| runs.iter().map(move |run| (it, run)));
        let parts = pairs.map(|(it, run)| it.start.max(run.start)..it.end.min(run.end));
        self.0 = parts.filter(|part| !part.is_empty()).collect();
    }

    fn remove(&mut self, taken: Range) {
        self.keep(&[0..taken.start, taken.end..u64::MAX]);
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
        let fits = |free: &Range| {
            let at = free.start.next_multiple_of(alignment);
            (at.checked_add(bytes)? <= free.end).then_some(at)
        };
        let at = self.0.iter().find_map(fits);
        let at = at.with_context(|| format!("there is no place for {bytes:#x} bytes"))?;
        self.take_at(at, bytes)?;
        Ok(at)
    }

    fn take_at(&mut self, at: u64, bytes: u64) -> Result<()> {
        let end = at.checked_add(bytes).context("the end of all addresses")?;
        let inside = |free: &Range| free.start <= at && end <= free.end;
        ensure!(
            self.0.iter().any(inside),
            "{at:#x}-{end:#x} is not all usable memory"
        );
        self.remove(at..end.next_multiple_of(PAGE));
        Ok(())
    }

    fn range_with(&self, address: u64) -> Result<&Range> {
        let found = self.0.iter().find(|free| free.contains(&address));
        found.with_context(|| format!("{address:#x} is no memory"))
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
