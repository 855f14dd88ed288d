//! The [`Marker`] of a kernel that is to crash: a page of random bytes, of which the crash kernel's
//! command line has the physical address and the SHA-256.

use anyhow::{bail, Context, Result};
use procfs::process::{MemoryPageFlags, PageInfo, Process};
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
    let mut pages = Process::myself()?.pagemap()?;
    match pages.get_info(at / PAGE)? {
        PageInfo::MemoryPage(page) if page.contains(MemoryPageFlags::PRESENT) => {
            Ok(page.get_page_frame_number().0 * PAGE as u64)
        }
        _ => bail!("a page of this process is not in memory"),
    }
}
