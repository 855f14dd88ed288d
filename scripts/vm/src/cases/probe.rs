//! Tests in which the next kernel is the probe, which tells what it finds.

use rkexec_protocol::Scenario;

use super::rows::{with_cpu, BOOTS, NATIVE, NATIVE_BOOTS, UEFI};
use crate::case::Case;
use crate::ending::End;
use crate::machine::Machine;
use crate::probe::Maker;

pub fn all() -> Vec<Case> {
    vec![
        Case {
            name: "dom0: the probe finds exactly the map that the module says",
            scenario: Scenario::Probe,
            end: End::Probe(Maker::Module),
            seconds: 35,
            ..BOOTS
        },
        Case {
            name: "bare metal: the probe finds exactly the map that the module says",
            machine: NATIVE,
            scenario: Scenario::Probe,
            end: End::Probe(Maker::Module),
            says: &[],
            seconds: 20,
            ..BOOTS
        },
        Case {
            name: "UEFI: the probe finds exactly the map that the module says",
            machine: UEFI,
            scenario: Scenario::Probe,
            end: End::Probe(Maker::Module),
            says: &[],
            ..NATIVE_BOOTS
        },
        Case {
            name: "UEFI, stock kernel: the probe finds holes mapped",
            machine: UEFI,
            scenario: Scenario::Probe,
            module: false,
            end: End::Probe(Maker::Stock),
            says: &[],
            ..NATIVE_BOOTS
        },
        Case {
            name:
                "bare metal, 4 GiB, 4 levels: the probe finds exactly the map that the module says",
            machine: Machine {
                memory_mib: 4096,
                ..with_cpu("max,-la57")
            },
            scenario: Scenario::Probe,
            end: End::Probe(Maker::Module),
            says: &[],
            ..NATIVE_BOOTS
        },
        Case {
            name: "bare metal, stock kernel: the probe finds holes mapped",
            machine: NATIVE,
            scenario: Scenario::Probe,
            module: false,
            end: End::Probe(Maker::Stock),
            says: &[],
            seconds: 20,
            ..BOOTS
        },
    ]
}
