//! Rows that are in no table: what `vm soak` does by turns.

use rkexec_protocol::choice::{Call, Way};

use super::{crash, native};
use crate::case::Case;
use crate::machine::Firmware;
use crate::xen_build::XenBuild;

pub use super::xen_versions::cycle as dom0;

/// A dom0 crashes into a crash kernel.
pub fn dom0_crash(xen: XenBuild, firmware: Firmware, call: Call) -> Case {
    let way = match call {
        Call::File => Way::File,
        Call::Load => Way::Load,
    };
    crash::cycle(xen, firmware, way)
}

/// kexec-tools boots a kernel from one on the bare machine.
pub fn bare(firmware: Firmware, call: Call) -> Case {
    native::way(firmware, call, false)
}

/// It loads the crash kernel that such a kernel crashes into.
pub fn bare_crash(firmware: Firmware, call: Call) -> Case {
    native::way(firmware, call, true)
}
