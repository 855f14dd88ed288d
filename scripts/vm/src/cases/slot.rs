//! Xen's slot for an image in the life of a dom0: others use it, several calls come at once, memory
//! is in pieces.

use rkexec_protocol::Scenario;

use super::rows::BOOTS;
use crate::case::Case;
use crate::end::End;
use crate::machine::DOM0;

/// What the module says when Xen has nothing to start.
const REFUSED: &str =
    r"rkexec: Xen does not start the image \(error -2\): restarting the machine instead";

/// What it says when somebody else has an image in hands.
const STALLED: &[&str] = &[
    "rkexec: not loaded: an image is being loaded",
    "rkexec: not taken out: an image is being loaded",
    "rkexec: not taken out: an image is being freed",
];

pub fn all() -> Vec<Case> {
    vec![
        Case {
            name: "dom0: Xen's slot and its status, also when others use it; ours boots in the end",
            scenario: Scenario::State,
            expects_trouble: &["rkexec: image not loaded: .*0xa0000"],
            seconds: 150,
            ..BOOTS
        },
        Case {
            name: "dom0: loads, unloads, the module and reboot(2), all at once",
            machine: DOM0.parallel(true),
            scenario: Scenario::Races,
            says: &[
                "rkexec: image verified",
                "rkexec: entering 0x",
                r"generation \d+ runs",
            ],
            expects_trouble: &["rkexec: not loaded: an image is (loaded|being loaded just now)"],
            seconds: 150,
            ..BOOTS
        },
        Case {
            name: "dom0: loads that stand still, and images that are freed late",
            scenario: Scenario::Stalls,
            end: End::FirstKernel,
            says: STALLED,
            expects_trouble: STALLED,
            seconds: 90,
            ..BOOTS
        },
        Case {
            name: "dom0 with memory in pieces: both calls load, and the image boots",
            scenario: Scenario::Balloon,
            seconds: 120,
            ..BOOTS
        },
        Case {
            name: "dom0: Xen's image is unloaded when it is to start it, and the machine restarts",
            machine: DOM0.dom0_mem("1G,max:2G"),
            scenario: Scenario::Refusal,
            end: End::Restart,
            says: &[REFUSED],
            expects_trouble: &[REFUSED],
            seconds: 60,
            ..BOOTS
        },
    ]
}
