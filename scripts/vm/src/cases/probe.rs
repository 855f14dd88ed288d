//! Tests in which the next kernel is the probe, which tells what it finds.

use rkexec_protocol::choice::Call;
use rkexec_protocol::scenario::Probed;
use rkexec_protocol::Scenario;

use super::rows::{BOOTS, HANDED_OVER, NATIVE, UEFI};
use crate::case::Case;
use crate::end::End;
use crate::machine::{Machine, DOM0};
use crate::probe::Entered::{self, ByHandOver, ByKernel, WithParams};
use crate::probe::Maker::{self, Module, Stock};

/// A bare machine with 4 GiB, and page tables of 4 levels.
const FOUR_LEVELS: Machine = NATIVE.memory_mib(4096).cpu("max,-la57");

/// On what, by whom the page tables are made, and by what it is entered.
const PROBED: [(&str, Machine, Maker, Entered); 9] = [
    ("dom0", DOM0, Module, ByHandOver),
    ("bare metal", NATIVE, Module, WithParams),
    ("bare metal, kexec_load", NATIVE, Module, ByKernel),
    ("UEFI", UEFI, Module, WithParams),
    ("UEFI, kexec_load", UEFI, Module, ByKernel),
    ("UEFI", UEFI, Stock, ByKernel),
    (
        "bare metal, 4 GiB, 4 levels",
        FOUR_LEVELS,
        Module,
        WithParams,
    ),
    (
        "bare metal, 4 GiB, 4 levels, kexec_load",
        FOUR_LEVELS,
        Module,
        ByKernel,
    ),
    ("bare metal", NATIVE, Stock, ByKernel),
];

pub fn all() -> Vec<Case> {
    let row = |(on, machine, maker, entered): (_, Machine, _, _)| Case {
        name: match maker {
            Module => format!("{on}: the probe finds exactly the map that the module says"),
            Stock => format!("{on}, stock kernel: the probe finds holes mapped"),
        }
        .leak(),
        says: match entered {
            ByKernel => &[],
            ByHandOver | WithParams => HANDED_OVER,
        },
        machine,
        scenario: Scenario::Probe(match entered {
            WithParams => Probed::NEW.call(Call::File),
            ByKernel | ByHandOver => Probed::NEW,
        }),
        module: maker == Module,
        end: End::Probe(maker, entered),
        seconds: 35,
        ..BOOTS
    };
    PROBED.map(row).into()
}
