//! The kernel's own list of what is where in physical memory: `/proc/iomem` (`kernel/resource.c`).

use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;

use super::bindings::kernel as c;
use crate::pure::addr::Addr;
use crate::pure::range::{PaRange, Range};

/// What "System RAM" is marked with.
const SYSTEM_RAM: c_ulong = c::IORESOURCE_SYSTEM_RAM as c_ulong | c::IORESOURCE_BUSY as c_ulong;

/// Has `visit` see what the kernel uses as RAM, also what was added after boot: hot-plugged memory,
/// and persistent memory that a driver has made RAM of. Bytes, not whole pages. The first error of
/// `visit` ends it. No lock is held around the calls.
pub(crate) fn for_system_ram<F>(mut visit: F) -> Result
where
    F: FnMut(PaRange) -> Result,
{
    // SAFETY: The walk calls the function with `visit`, and returns before that goes.
    let ret = unsafe {
        c::walk_iomem_res_desc(
            c::IORES_DESC_NONE as c_ulong,
            SYSTEM_RAM,
            0,
            u64::MAX,
            (&raw mut visit).cast(),
            Some(call::<F>),
        )
    };
    to_result(ret)
}

unsafe extern "C" fn call<F>(resource: *mut bindings::resource, visit: *mut c_void) -> c_int
where
    F: FnMut(PaRange) -> Result,
{
    // SAFETY: The kernel passes a resource of its own, and on what `for_system_ram` has given it.
    let (resource, visit) = unsafe { (&*resource, &mut *visit.cast::<F>()) };
    let range = Addr::new(resource.start)
        .zip(resource.end.checked_add(1).and_then(Addr::new))
        .and_then(|(start, end)| Range::new(start, end));
    // What is beyond the addresses of a processor is used by no kernel.
    match range.map_or(Ok(()), visit) {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}
