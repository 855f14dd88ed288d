//! Machines on which anything is done with images, in any order.

use rkexec_protocol::scenario::Steps;
use rkexec_protocol::Scenario;

use super::rows::{BOOTS, HANDED_OVER, NATIVE, NATIVE_BOOTS};
use crate::case::Case;
use crate::machine::DOM0;

/// What is said of steps that are to fail.
const REFUSED: &[&str] = &["rkexec: image not loaded: ", "rkexec: not loaded: .*image"];
/// Seconds for a step, at the most.
const SECONDS: u64 = 1;

/// A machine with a dom0, or none, and what it does there.
pub fn case(in_dom0: bool, steps: Steps) -> Case {
    let case = match in_dom0 {
        true => Case {
            machine: DOM0.xen_options("crashkernel=256M"),
            says: HANDED_OVER,
            ..BOOTS
        },
        false => Case {
            machine: NATIVE.kernel("crashkernel=256M"),
            ..NATIVE_BOOTS
        },
    };
    Case {
        scenario: Scenario::Steps(steps),
        expects_trouble: REFUSED,
        seconds: case.seconds + SECONDS * u64::from(steps.number),
        ..case
    }
}

/// Some of each, of a seed that is always the same: what is looked for here is what a change has broken.
pub fn some() -> Vec<Case> {
    let named = |name, in_dom0| Case {
        name,
        ..case(in_dom0, Steps::NEW)
    };
    vec![
        named(
            "dom0: anything with images, in any order; one boots in the end",
            true,
        ),
        named(
            "bare metal: anything with images, in any order; one boots in the end",
            false,
        ),
    ]
}
