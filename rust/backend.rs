//! What stands in for the kernel's kexec backend, and where it can.

mod dom0;
mod error;
mod native;
mod switch;

use kernel::prelude::*;

use crate::sys::machine::Host;

/// Takes over from the kernel's own code, in the way that fits this machine; refuses where there is
/// none, and says so.
pub(crate) fn start(module: &'static ThisModule) -> Result {
    let why = match Host::detect() {
        Host::XenPvDom0 => return dom0::start(module),
        Host::Native => return native::start(module),
        Host::XenPvhDom0 => {
            "this dom0 is of type PVH, and Xen offers kexec to a PV dom0 only (Xen option dom0=pv)"
        }
        Host::XenPvDomU => "this is a Xen PV guest, and only dom0 can start another kernel",
    };
    pr_err!("not loaded: {why}\n");
    Err(EOPNOTSUPP)
}
