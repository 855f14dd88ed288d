//! Tests on a machine whose memory map has more entries than `boot_params` has room for.

use rkexec_protocol::choice::Abi;
use rkexec_protocol::Scenario;

use super::rows::{BOOTS, FILE, LOAD};
use crate::case::Case;
use crate::esp::{Grub, Holes};
use crate::machine::{Firmware, Machine, DOM0};

const MIB: u64 = 1 << 20;

/// A dom0 on a machine with 80 pages of bad memory, close together.
const LONG: Machine = Machine {
    firmware: Firmware::Uefi,
    grub: Some(Grub::Holes(Holes {
        first: 768 * MIB,
        distance: 0x2000,
        count: 80,
    })),
    ..DOM0
};
/// The same with one in every 12 MiB of the first GiB, from where kernels are usually put: neither a
/// kernel nor an initrd fits between two of them.
const TORN: Machine = Machine {
    memory_mib: 4096,
    dom0_mem: "2G,max:2G",
    grub: Some(Grub::Holes(Holes {
        first: 24 * MIB,
        distance: 12 * MIB,
        count: 80,
    })),
    ..LONG
};

/// A row without content. The last of the lines is the next kernel's: the map did go on elsewhere.
const BOOTS_LONG: Case = Case {
    machine: LONG,
    says: &[
        "rkexec: page tables verified",
        "rkexec: image verified",
        "rkexec: entering 0x",
        "extended physical RAM map:",
    ],
    ..BOOTS
};

pub fn all() -> Vec<Case> {
    vec![
        Case {
            name:
                "more than 128 entries: kexec_file_load boots a kernel, and hands over all of them",
            scenario: Scenario::Boot(FILE.lines(129)),
            ..BOOTS_LONG
        },
        Case {
            name: "more than 128 entries: kexec_load boots a kernel, and the map stays whole",
            scenario: Scenario::Boot(LOAD.lines(129)),
            ..BOOTS_LONG
        },
        Case {
            name: "more than 128 entries, V1: kexec_file_load boots a kernel",
            scenario: Scenario::Boot(FILE.abi(Some(Abi::V1)).lines(129)),
            ..BOOTS_LONG
        },
        Case {
            name: "a hole in every 12 MiB of the first GiB: kexec_file_load boots a kernel, 40 MB",
            machine: TORN,
            scenario: Scenario::Boot(FILE.blob(38).lines(129)),
            ..BOOTS_LONG
        },
        Case {
            name: "a hole in every 12 MiB of the first GiB: kexec_load boots a kernel, 40 MB",
            machine: TORN,
            scenario: Scenario::Boot(LOAD.blob(38).lines(129)),
            ..BOOTS_LONG
        },
    ]
}
