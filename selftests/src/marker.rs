//! The [`Marker`] of a kernel that is to crash: a page of random bytes, of which the crash kernel's
//! command line has the physical address and the SHA-256.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{ensure, Context, Result};
use rkexec_protocol::hex::Hex;
use rkexec_protocol::Marker;

use crate::initrd;
use crate::ownership::Ownership;
use crate::sys::locked::Locked;
use crate::xen::{self, Xen};

const PAGE: usize = 4096;

/// Leaves one in memory, for as long as this process lives.
pub fn leave() -> Result<Marker> {
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
    Ok(Marker {
        at: Hex(at),
        sha256: hex::encode(digest),
    })
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
    let present = entry & PRESENT != 0;
    ensure!(present, "a page of this process is not in memory");
    Ok((entry & FRAME) * PAGE as u64)
}
