//! The kernel's own list of what is where in physical memory: `/proc/iomem` (`kernel/resource.c`).

use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;

use super::bindings::kernel as c;
use crate::pure::addr::Addr;
use crate::pure::range::{PaRange, Range};

/// What "System RAM" is marked with.
const SYSTEM_RAM: c_ulong = c::IORESOURCE_SYSTEM_RAM as c_ulong | c::IORESOURCE_BUSY as c_ulong;

/// What the kernel uses as RAM, also what was added after boot: hot-plugged memory, and persistent
/// memory that a driver has made RAM of. Bytes, not whole pages.
pub(crate) fn system_ram() -> Result<KVec<PaRange>> {
    let mut ranges = KVec::new();
    // SAFETY: The walk calls the function with `ranges` and returns before it goes. No lock is
    // held around the calls, so they may allocate.
    let ret = unsafe {
        c::walk_iomem_res_desc(
            c::IORES_DESC_NONE as c_ulong,
            SYSTEM_RAM,
            0,
            u64::MAX,
            (&raw mut ranges).cast(),
            Some(collect),
        )
    };
    to_result(ret)?;
    Ok(ranges)
}

unsafe extern "C" fn collect(resource: *mut bindings::resource, ranges: *mut c_void) -> c_int {
    // SAFETY: The kernel passes a resource of its own, and on what `system_ram` has given it.
    let (resource, ranges) = unsafe { (&*resource, &mut *ranges.cast::<KVec<PaRange>>()) };
    let range = Addr::new(resource.start)
        .zip(resource.end.checked_add(1).and_then(Addr::new))
        .and_then(|(start, end)| Range::new(start, end));
    match range.map(|range| ranges.push(range, GFP_KERNEL)) {
        Some(Ok(())) => 0,
        Some(Err(_)) => ENOMEM.to_errno(),
        // Beyond what a processor can address, so that no kernel uses it.
        None => 0,
    }
}
