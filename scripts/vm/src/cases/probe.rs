//! Tests in which the next kernel is the probe, which tells what it finds.

use rkexec_protocol::Scenario;

use super::rows::{BOOTS, HANDED_OVER, NATIVE, UEFI};
use crate::case::Case;
use crate::end::End;
use crate::machine::{Machine, DOM0};
use crate::probe::Maker::{self, Module, Stock};

/// A bare machine with 4 GiB, and page tables of 4 levels.
const FOUR_LEVELS: Machine = NATIVE.memory_mib(4096).cpu("max,-la57");

/// On what, and by whom the page tables are made.
const PROBED: [(&str, Machine, Maker); 6] = [
    ("dom0", DOM0, Module),
    ("bare metal", NATIVE, Module),
    ("UEFI", UEFI, Module),
    ("UEFI", UEFI, Stock),
    ("bare metal, 4 GiB, 4 levels", FOUR_LEVELS, Module),
    ("bare metal", NATIVE, Stock),
];

pub fn all() -> Vec<Case> {
    let row = |(on, machine, maker): (_, Machine, _)| Case {
        name: match maker {
            Module => format!("{on}: the probe finds exactly the map that the module says"),
            Stock => format!("{on}, stock kernel: the probe finds holes mapped"),
        }
        .leak(),
        says: machine.xen.map_or(&[], |_| HANDED_OVER),
        machine,
        scenario: Scenario::Probe,
        module: maker == Module,
        end: End::Probe(maker),
        seconds: 35,
        ..BOOTS
    };
    PROBED.map(row).into()
}
