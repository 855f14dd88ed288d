//! What stands in for the kernel's kexec backend, and where it can.

mod dom0;
mod error;
mod inspect;
mod native;
mod switch;

use kernel::prelude::*;

use crate::sys::machine::Host;

pub(crate) use inspect::IdentityMap;

/// Takes over from the kernel's own code, in the way that fits this machine; refuses where there is
/// none, and says so. Returns what shows the maps of loaded images.
///
/// Taking over comes last: a module whose functions are in use must not fail to load.
pub(crate) fn start(module: &'static ThisModule) -> Result<IdentityMap> {
    let why = match Host::detect() {
        Host::Native => {
            let maps = IdentityMap::new(native::find_tables)?;
            return native::start(module).map(|()| maps);
        }
        Host::XenPvDom0 => {
            let maps = IdentityMap::new(dom0::find_tables)?;
            return dom0::start(module).map(|()| maps);
        }
        Host::XenPvhDom0 => {
            "this dom0 is of type PVH, and Xen offers kexec to a PV dom0 only (Xen option dom0=pv)"
        }
        Host::XenPvDomU => "this is a Xen PV guest, and only dom0 can start another kernel",
    };
    pr_err!("not loaded: {why}\n");
    Err(EOPNOTSUPP)
}
