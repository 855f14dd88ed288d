//! What stands in for the kernel's kexec backend, and where it can.

mod dom0;
mod error;
mod inspect;
mod native;
mod switch;

use kernel::debugfs::Dir;
use kernel::prelude::*;

use crate::pure::xen_abi::Wish;
use crate::sys::machine::Host;

use inspect::IdentityMap;

/// What can be looked at in debugfs.
#[expect(dead_code, reason = "kept for its drop")]
pub(crate) struct Files {
    maps: IdentityMap,
    xen: Option<dom0::XenFile>,
}

/// Takes over from the kernel's own code, in the way that fits this machine; refuses where there is
/// none, and says so. `xen_abi` is which of Xen's interfaces the user wants.
///
/// Taking over comes last: a module whose functions are in use must not fail to load.
pub(crate) fn start(module: &'static ThisModule, xen_abi: Wish) -> Result<Files> {
    let dir = Dir::new(c"rkexec");
    let why = match Host::detect() {
        Host::Native => {
            let maps = IdentityMap::new(&dir, native::find_tables)?;
            native::start(module)?;
            return Ok(Files { maps, xen: None });
        }
        Host::XenPvDom0 => {
            let maps = IdentityMap::new(&dir, dom0::find_tables)?;
            let xen = Some(dom0::start(module, &dir, xen_abi)?);
            return Ok(Files { maps, xen });
        }
        Host::XenPvhDom0 => {
            "this dom0 is of type PVH, and Xen offers kexec to a PV dom0 only (Xen option dom0=pv)"
        }
        Host::XenPvDomU => "this is a Xen PV guest, and only dom0 can start another kernel",
    };
    pr_err!("not loaded: {why}\n");
    Err(EOPNOTSUPP)
}
