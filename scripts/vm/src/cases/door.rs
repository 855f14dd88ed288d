//! Tests of the door: programs that make the hypercall of kexec, and are served by the kernel.

use rkexec_protocol::scenario::Door;
use rkexec_protocol::Scenario;

use super::rows::BOOTS;
use crate::case::Case;
use crate::end::End;
use crate::machine::{Machine, DOM0};

/// A dom0 on which kexec-tools brings Xen down by the second load to the place of its own choice and an
/// unload, if it is Xen that it calls: so much memory is free that the copies are in the way of the image.
const BRITTLE: Machine = DOM0.dom0_mem("512M,max:512M");

/// By this the tests find out who answers.
pub const V1_REFUSED: &[&str] =
    &["rkexec: .* has called Xen to load or unload an image by V1: refused, "];

pub fn all() -> Vec<Case> {
    vec![
        Case {
            name: "dom0, the door: kexec-tools as it is, bad calls of all kinds, and the next kernel boots",
            machine: BRITTLE.xen_options("crashkernel=256M"),
            scenario: Scenario::Door(Door::NEW),
            says: &[
                "rkexec: programs that call Xen for kexec are served by the kernel",
                "rkexec: kexec has called Xen to load an image: the kernel loads it",
                "rkexec: kexec has called Xen to start the image: the kernel starts it",
                // The PCI bus shuts its devices down, and then it is the processors' turn.
                r"0000:00:[0-9a-f.]+: shutdown",
                "Starting new kernel",
                "rkexec: page tables verified",
                "rkexec: image verified",
                "rkexec: entering 0x",
            ],
            // The place that kexec-tools likes is the end of the memory below 4 GiB, where Xen is, too.
            expects_trouble: &[
                "rkexec: .* has called Xen to .*: refused, ",
                "rkexec: image not loaded: ",
                "rkexec: segment .* lies over Xen",
            ],
            seconds: 190,
            ..BOOTS
        },
        Case {
            name: "dom0, the door: module and driver come and go, programs go through it; lockdown",
            // The emulator's processors run at the same time.
            machine: DOM0.parallel(true),
            scenario: Scenario::DoorTurns,
            end: End::FirstKernel,
            says: &["rkexec: kexec is forwarded to Xen", "Lockdown: "],
            expects_trouble: &[
                "rkexec: .* has called Xen to .*: refused, ",
                "rkexec: image not loaded: ",
                "rkexec: not loaded: an image is (loaded|being loaded just now)",
                "rkexec: Xen has an image that this kernel has not loaded",
            ],
            seconds: 75,
            ..BOOTS
        },
    ]
}
