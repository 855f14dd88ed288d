//! The kernel's own list of what is where in physical memory: `/proc/iomem` (`kernel/resource.c`).

use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;

use super::bindings::kernel as c;
use crate::pure::addr::Addr;
use crate::pure::range::{PaRange, Range};

/// What "System RAM" is marked with.
const SYSTEM_RAM: c_ulong = c::IORESOURCE_SYSTEM_RAM as c_ulong | c::IORESOURCE_BUSY as c_ulong;

/// Of what the kernel uses as RAM: which.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ram {
    /// All, also what was added after boot: hot-plugged memory, and memory that a driver has made RAM
    /// of.
    All,
    /// All that the next kernel will have for RAM from the beginning: not the memory of drivers, which
    /// they may not make RAM of again.
    WithoutDrivers,
}

/// Has `visit` see what the kernel uses as RAM. Bytes, not whole pages. The first error of `visit`
/// ends it. No lock is held around the calls.
pub(crate) fn for_system_ram<F>(which: Ram, visit: F) -> Result
where
    F: FnMut(PaRange) -> Result,
{
    let mut walk = Walk { which, visit };
    // SAFETY: The walk calls the function with `walk`, and returns before that goes.
    let ret = unsafe {
        c::walk_iomem_res_desc(
            c::IORES_DESC_NONE as c_ulong,
            SYSTEM_RAM,
            0,
            u64::MAX,
            (&raw mut walk).cast(),
            Some(call::<F>),
        )
    };
    to_result(ret)
}

struct Walk<F> {
    which: Ram,
    visit: F,
}

unsafe extern "C" fn call<F>(resource: *mut bindings::resource, walk: *mut c_void) -> c_int
where
    F: FnMut(PaRange) -> Result,
{
    // SAFETY: The kernel passes a resource of its own, and on what `for_system_ram` has given it.
    let (resource, walk) = unsafe { (&*resource, &mut *walk.cast::<Walk<F>>()) };
    let of_driver = resource.flags & c::IORESOURCE_SYSRAM_DRIVER_MANAGED as c_ulong != 0;
    if of_driver && walk.which == Ram::WithoutDrivers {
        return 0;
    }
    let range = Addr::new(resource.start)
        .zip(resource.end.checked_add(1).and_then(Addr::new))
        .and_then(|(start, end)| Range::new(start, end));
    // What is beyond the addresses of a processor is used by no kernel.
    match range.map_or(Ok(()), &mut walk.visit) {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}
