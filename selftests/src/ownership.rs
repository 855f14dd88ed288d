//! Which of the machine's pages dom0 has, from Xen's machine-to-physical table.

use anyhow::{Context, Result};
use procfs::PhysicalMemoryMap;

use crate::xen::{Range, Xen};

const PAGE: u64 = 4096;
/// What Xen writes for a page that is no guest's (`INVALID_M2P_ENTRY`, and the pattern that it
/// fills the table with): the topmost bits of a frame number that is one are clear.
const NO_GUEST: u64 = 1 << 62;

/// For each machine frame the number that dom0 has for it, if dom0 has it.
pub struct Ownership(Vec<Option<u64>>);

impl Ownership {
    pub fn read(xen: &Xen) -> Result<Self> {
        Ok(Self::from_table(&xen.machine_to_physical()?))
    }

    fn from_table(table: &[u64]) -> Self {
        Self(
            table
                .iter()
                .map(|entry| (*entry < NO_GUEST).then_some(*entry))
                .collect(),
        )
    }

    /// The runs of pages that dom0 has, or the others, as byte addresses.
    pub fn runs(&self, owned: bool) -> Vec<Range> {
        let mut at = 0;
        let runs = self.0.chunk_by(|a, b| a.is_some() == b.is_some());
        let runs = runs.map(|run| {
            let start = at;
            at += run.len() as u64 * PAGE;
            (run[0].is_some(), start..at)
        });
        runs.filter(|(is_owned, _)| *is_owned == owned)
            .map(|(_, run)| run)
            .collect()
    }

    pub fn largest_run(&self) -> Result<Range> {
        let runs = self.runs(true).into_iter();
        let largest = runs.max_by_key(|run| run.end - run.start);
        largest.context("dom0 has no memory")
    }

    /// In how many pieces dom0's memory is: runs of pages that are neighbours both for dom0 and in
    /// the machine.
    pub fn pieces(&self) -> usize {
        let begins = |pair: &&[Option<u64>]| match (pair[0], pair[1]) {
            (Some(before), Some(here)) => before + 1 != here,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let first = usize::from(self.0.first().is_some_and(Option::is_some));
        first + self.0.windows(2).filter(begins).count()
    }

    /// How many of the pages from `start` on, `bytes` long, dom0 has.
    pub fn count(&self, start: u64, bytes: u64) -> usize {
        let frames = (start / PAGE) as usize..(start + bytes).div_ceil(PAGE) as usize;
        self.0
            .get(frames)
            .map_or(0, |entries| entries.iter().flatten().count())
    }

    /// The machine address of what dom0 calls the physical address `address`.
    pub fn machine_address(&self, address: u64) -> Result<u64> {
        let found = self
            .0
            .iter()
            .position(|entry| *entry == Some(address / PAGE));
        let frame = found.with_context(|| format!("{address:#x} is none of dom0's pages"))?;
        Ok(frame as u64 * PAGE + address % PAGE)
    }
}

/// The machine address at which the code of the running kernel begins.
pub fn machine_address_of_kernel_code(ownership: &Ownership) -> Result<u64> {
    let code = kernel_code(&procfs::iomem()?);
    ownership.machine_address(code.context("/proc/iomem has no kernel code")?)
}

fn kernel_code(iomem: &[(usize, PhysicalMemoryMap)]) -> Option<u64> {
    let mut lines = iomem.iter().map(|(_, line)| line);
    Some(lines.find(|line| line.name == "Kernel code")?.address.0)
}

#[cfg(test)]
mod tests {
    use procfs::{FromRead, Iomem};

    use super::*;

    #[test]
    fn runs_and_addresses_follow_from_the_table() {
        let none = 0x5555_5555_5555_5555;
        let owned = Ownership::from_table(&[none, 7, 8, u64::MAX, 9, none]);
        assert_eq!(owned.runs(true), [0x1000..0x3000, 0x4000..0x5000]);
        assert_eq!(
            owned.runs(false),
            [0..0x1000, 0x3000..0x4000, 0x5000..0x6000]
        );
        assert_eq!(owned.largest_run().unwrap(), 0x1000..0x3000);
        assert_eq!(owned.pieces(), 2);
        let shuffled = Ownership::from_table(&[7, 8, 3, none, 4, 5]);
        assert_eq!(shuffled.pieces(), 3);
        assert_eq!(owned.count(0x1800, 0x2000), 2);
        assert_eq!(owned.machine_address(0x9123).unwrap(), 0x4123);
        assert!(owned.machine_address(0x1000).is_err());
    }

    #[test]
    fn the_kernels_code_is_found_in_iomem() {
        let iomem = "00100000-3fffffff : System RAM\n  01000000-021fffff : Kernel code\n";
        let iomem = Iomem::from_read(iomem.as_bytes()).unwrap();
        assert_eq!(kernel_code(&iomem.0), Some(0x100_0000));
    }
}
