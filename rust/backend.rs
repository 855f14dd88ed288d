//! What stands in for the kernel's kexec backend, and where it can.

mod blob;
mod dom0;
mod error;
mod handover;
mod image;
mod image_pages;
mod in_pages;
mod inspect;
mod long_load;
mod native;
mod requested_segments;
mod tables;
mod transition;

use kernel::prelude::*;

use crate::pure::xen_abi::Wish;
use crate::sys::cpu;
use crate::sys::debugfs::Dir;
use crate::sys::errno;
use crate::sys::machine::Host;

use error::LoadError;
use inspect::IdentityMap;

/// What can be looked at in debugfs. It goes with this value.
pub(crate) struct Files(#[expect(dead_code, reason = "kept for its drop")] Dir);

/// Where that is.
const DIRECTORY: &CStr = c"rkexec";

/// Takes over from the kernel's own code, in the way that fits this machine; refuses where there is
/// none, and says so. `xen_abi` is which of Xen's interfaces the user wants.
///
/// Nothing behind taking over can fail: a module whose functions are in use must not fail to load.
pub(crate) fn start(module: &'static ThisModule, xen_abi: Wish) -> Result<Files> {
    let why = match Host::detect() {
        Host::Native => {
            native::start(module)?;
            let dir = Dir::new(DIRECTORY);
            dir.add(inspect::NAME, &IdentityMap(native::find_tables));
            return Ok(Files(dir));
        }
        Host::XenPvDom0 => {
            let xen = dom0::start(module, xen_abi)?;
            let dir = Dir::new(DIRECTORY);
            dir.add(inspect::NAME, &IdentityMap(dom0::find_tables));
            dir.add(c"xen", xen);
            return Ok(Files(dir));
        }
        Host::XenPvhDom0 => {
            "this dom0 is of type PVH, and Xen offers kexec to a PV dom0 only (Xen option dom0=pv)"
        }
        Host::XenPvDomU => "this is a Xen PV guest, and only dom0 can start another kernel",
    };
    pr_err!("not loaded: {why}\n");
    Err(errno::not_supported())
}

/// What the kernel's own `machine_kexec_prepare` refuses, whatever the image is.
fn check_processor() -> Result<(), LoadError> {
    match cpu::tdx_forbids_kexec() {
        false => Ok(()),
        true => Err(LoadError::Unsupported(
            "this kernel starts no other on a processor with the erratum tdx_pw_mce (Linux 7.2 does)",
        )),
    }
}
