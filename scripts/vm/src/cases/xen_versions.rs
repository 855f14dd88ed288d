//! Tests on every Xen there is, through both of its kexec interfaces, with UEFI, and without any
//! kexec.

use rkexec_protocol::choice::Abi::{self, V1, V2};
use rkexec_protocol::choice::Call::{self, File, Load};
use rkexec_protocol::choice::Lockdown;
use rkexec_protocol::scenario::{Boot, Refuse};
use rkexec_protocol::Scenario;

use super::rows::{BOOTS, FILE};
use crate::case::Case;
use crate::end::End;
use crate::machine::{Firmware, DOM0};
use crate::xen_build::XenBuild::{self, Bookworm, Bullseye, Main, Sid, Trixie, WithoutKexec};

/// A row without content: a dom0 on this Xen.
const fn on(xen: XenBuild, firmware: Firmware) -> Case {
    Case {
        machine: DOM0.xen(Some(xen)).firmware(firmware),
        ..BOOTS
    }
}

/// A cycle of load and boot that is not in the table.
pub fn cycle(xen: XenBuild, firmware: Firmware, abi: Abi, call: Call) -> Case {
    Case {
        scenario: Scenario::Boot(Boot::NEW.call(call).abi(Some(abi))),
        ..on(xen, firmware)
    }
}

/// The combinations that there is a row for.
const COMBINATIONS: [(XenBuild, Call, Abi); 11] = [
    (Bullseye, File, V2),
    (Bullseye, File, V1),
    (Bullseye, Load, V2),
    (Bookworm, File, V2),
    (Bookworm, File, V1),
    (Bookworm, Load, V2),
    (Trixie, File, V2),
    (Trixie, File, V1),
    (Sid, File, V2),
    (Sid, File, V1),
    (Sid, Load, V2),
];

pub fn all() -> Vec<Case> {
    let combinations = COMBINATIONS.map(|(xen, call, abi)| Case {
        name: format!(
            "Xen of {xen}: {} boots a kernel, by {}",
            call.name(),
            abi.name()
        )
        .leak(),
        ..cycle(xen, Firmware::Bios, abi, call)
    });
    let others = [
        Case {
            name: "Xen with UEFI, a dom0 locked down: kexec_file_load boots a kernel, by V2",
            scenario: Scenario::Boot(FILE.abi(Some(V2)).lockdown(Some(Lockdown::Integrity))),
            ..on(Main, Firmware::Uefi)
        },
        Case {
            name: "Xen with UEFI: kexec_file_load boots a kernel, by V1",
            scenario: Scenario::Boot(FILE.abi(Some(V1))),
            ..on(Main, Firmware::Uefi)
        },
        Case {
            name: "Xen without kexec: the module says why it refuses",
            scenario: Scenario::Refuse(Refuse::NEW),
            end: End::FirstKernel,
            says: &[
                r"rkexec: not loaded: Xen \d+\.\d+ was built without kexec \(CONFIG_KEXEC\)",
                "could not insert 'rkexec': Operation not supported",
            ],
            expects_trouble: &["rkexec: not loaded: .*CONFIG_KEXEC"],
            seconds: 45,
            ..on(WithoutKexec, Firmware::Bios)
        },
    ];
    combinations.into_iter().chain(others).collect()
}
