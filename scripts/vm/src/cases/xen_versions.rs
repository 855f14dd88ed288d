//! Tests on every Xen there is, through both of its kexec interfaces, and with UEFI.

use std::borrow::Cow;

use super::{Case, BOOTS};
use crate::machine::{Boot, Firmware, Machine, DOM0};
use crate::xen_build::XenBuild::{self, Bookworm, Bullseye, Sid, Trixie};

/// A dom0 on this Xen.
pub const fn on(xen: XenBuild, firmware: Firmware) -> Machine {
    Machine {
        boot: Boot::Dom0 {
            xen,
            dom0_mem: Cow::Borrowed("1G,max:1G"),
            options: Cow::Borrowed(""),
        },
        firmware,
        ..DOM0
    }
}

/// A row without content: a dom0 on this Xen that boots a next kernel.
const fn boots(xen: XenBuild, firmware: Firmware) -> Case {
    Case {
        machine: on(xen, firmware),
        ..BOOTS
    }
}

/// All of them.
pub fn all() -> Vec<Case> {
    const BIOS: Firmware = Firmware::Bios;
    const UEFI: Firmware = Firmware::Uefi;
    vec![
        Case {
            name: "Xen of bullseye: kexec_file_load boots a kernel, by V2",
            scenario: "boot call=file abi=v2",
            ..boots(Bullseye, BIOS)
        },
        Case {
            name: "Xen of bullseye: kexec_file_load boots a kernel, by V1",
            scenario: "boot call=file abi=v1",
            ..boots(Bullseye, BIOS)
        },
        Case {
            name: "Xen of bullseye: kexec_load boots a kernel, by V2",
            scenario: "boot call=load abi=v2",
            ..boots(Bullseye, BIOS)
        },
        Case {
            name: "Xen of bookworm: kexec_file_load boots a kernel, by V2",
            scenario: "boot call=file abi=v2",
            ..boots(Bookworm, BIOS)
        },
        Case {
            name: "Xen of bookworm: kexec_file_load boots a kernel, by V1",
            scenario: "boot call=file abi=v1",
            ..boots(Bookworm, BIOS)
        },
        Case {
            name: "Xen of bookworm: kexec_load boots a kernel, by V2",
            scenario: "boot call=load abi=v2",
            ..boots(Bookworm, BIOS)
        },
        Case {
            name: "Xen of trixie: kexec_file_load boots a kernel, by V2",
            scenario: "boot call=file abi=v2",
            ..boots(Trixie, BIOS)
        },
        Case {
            name: "Xen of trixie: kexec_file_load boots a kernel, by V1",
            scenario: "boot call=file abi=v1",
            ..boots(Trixie, BIOS)
        },
        Case {
            name: "Xen of sid: kexec_file_load boots a kernel, by V2",
            scenario: "boot call=file abi=v2",
            ..boots(Sid, BIOS)
        },
        Case {
            name: "Xen of sid: kexec_file_load boots a kernel, by V1",
            scenario: "boot call=file abi=v1",
            ..boots(Sid, BIOS)
        },
        Case {
            name: "Xen of sid: kexec_load boots a kernel, by V2",
            scenario: "boot call=load abi=v2",
            ..boots(Sid, BIOS)
        },
        Case {
            name: "Xen with UEFI: kexec_file_load boots a kernel, by V2",
            scenario: "boot call=file abi=v2",
            ..boots(Trixie, UEFI)
        },
        Case {
            name: "Xen with UEFI: kexec_file_load boots a kernel, by V1",
            scenario: "boot call=file abi=v1",
            ..boots(Trixie, UEFI)
        },
    ]
}
