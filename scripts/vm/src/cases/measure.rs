//! What is measured, and passes whatever comes out.

use rkexec_protocol::scenario::LoadTime;
use rkexec_protocol::Scenario;

use super::door::V1_REFUSED;
use super::rows::{BOOTS, NATIVE, NATIVE_BOOTS};
use crate::case::Case;
use crate::end::End;
use crate::machine::DOM0;

/// A row without content: loads that only the time is wanted of, in a dom0.
const LOADS: Case = Case {
    machine: DOM0.memory_mib(3072).dom0_mem("1500M,max:1500M"),
    end: End::FirstKernel,
    says: &[],
    seconds: 120,
    ..BOOTS
};

pub fn all() -> Vec<Case> {
    let times = LoadTime::NEW;
    vec![
        Case {
            name: "the time of machine_kexec_prepare",
            scenario: Scenario::PrepareTime,
            end: End::FirstKernel,
            says: &[],
            ..NATIVE_BOOTS
        },
        Case {
            name: "dom0: the time of hypercalls that are none of kexec's",
            machine: DOM0,
            scenario: Scenario::PrivcmdTime,
            expects_trouble: V1_REFUSED,
            ..LOADS
        },
        Case {
            name: "dom0: the time of whole loads, 40 MB",
            scenario: Scenario::LoadTime(times.blob(38)),
            ..LOADS
        },
        Case {
            name: "dom0: the time of whole loads, 200 MB",
            scenario: Scenario::LoadTime(times.blob(198)),
            seconds: 600,
            ..LOADS
        },
        Case {
            name: "dom0 with 1 of 2 GiB: whole loads, 200 MB, kexec-tools to its own place",
            machine: DOM0,
            scenario: Scenario::LoadTime(times.blob(198).own_place(true)),
            seconds: 300,
            ..LOADS
        },
        Case {
            name: "bare metal: the time of whole loads, 105 MB",
            machine: NATIVE.kernel("crashkernel=512M"),
            scenario: Scenario::LoadTime(times.blob(98)),
            seconds: 300,
            ..LOADS
        },
    ]
}
