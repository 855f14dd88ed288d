//! The marker of a kernel that is to crash: a page of random bytes, of which the crash kernel's
//! command line has the physical address and the SHA-256. Whoever finds them in the dump has the
//! right memory at the right place.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use anyhow::{ensure, Context, Result};

use crate::initrd;
use crate::ownership::Ownership;
use crate::sys::locked::Locked;
use crate::xen::{self, Xen};

const PAGE: usize = 4096;

/// A marker, as the crash kernel is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Its address: in a dom0 that of the machine.
    pub at: u64,
    /// The SHA-256 of the page, in hexadecimal.
    pub sha256: String,
}

impl Marker {
    /// Leaves one in memory, for as long as this process lives.
    ///
    /// # Errors
    ///
    /// Neither the kernel nor Xen tells where the page is.
    pub fn leave() -> Result<Self> {
        // Pages that may not be swapped out may be moved still, unless one says so.
        let compact = "/proc/sys/vm/compact_unevictable_allowed";
        std::fs::write(compact, "0").context(compact)?;
        let page = Box::leak(Box::new(Locked::<u8>::zeroed(PAGE)?));
        let mut random = Vec::with_capacity(PAGE);
        let digest = initrd::write_random(&mut random, PAGE as u64)?;
        page.as_mut().copy_from_slice(&random);
        let mut at = physical(usize::try_from(page.address())?)?;
        if xen::is_dom0() {
            at = Ownership::read(&Xen::open()?)?.machine_address(at)?;
        }
        Ok(Self {
            at,
            sha256: hex::encode(digest),
        })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{}", self.at, self.sha256)
    }
}

impl FromStr for Marker {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (at, sha256) = text.split_once(':').context("a marker is AT:SHA256")?;
        Ok(Self {
            at: u64::from_str_radix(at, 16)?,
            sha256: sha256.to_owned(),
        })
    }
}

/// The physical address of the page at the virtual address `at` of this process
/// (Documentation/admin-guide/mm/pagemap.rst).
fn physical(at: usize) -> Result<u64> {
    const PRESENT: u64 = 1 << 63;
    const FRAME: u64 = (1 << 55) - 1;
    let mut entry = [0; 8];
    let pagemap = File::open("/proc/self/pagemap").context("/proc/self/pagemap")?;
    pagemap.read_exact_at(&mut entry, (at / PAGE * size_of::<u64>()) as u64)?;
    let entry = u64::from_le_bytes(entry);
    ensure!(
        entry & PRESENT != 0,
        "a page of this process is not in memory"
    );
    Ok((entry & FRAME) * PAGE as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_as_it_is_written() {
        let marker = Marker {
            at: 0x1234_5000,
            sha256: "ab".repeat(32),
        };
        assert_eq!(marker.to_string().parse::<Marker>().unwrap(), marker);
    }
}
