//! Tests on every Xen there is, through both of its kexec interfaces, with UEFI, and without any
//! kexec.

use std::borrow::Cow;

use super::{Case, End, BOOTS};
use crate::machine::{Boot, Firmware, Machine, DOM0};
use crate::xen_build::XenBuild::{self, Bookworm, Bullseye, Main, Sid, Trixie, WithoutKexec};

/// A dom0 on this Xen.
const fn on(xen: XenBuild, firmware: Firmware) -> Machine {
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

/// A kexec interface of Xen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// The one of the first versions, and what it means now.
    V1,
    /// The usual one.
    V2,
}

/// A system call that loads a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `kexec_file_load(2)`.
    File,
    /// `kexec_load(2)`.
    Load,
}

/// A cycle of load and boot that is not in the table.
pub fn cycle(xen: XenBuild, firmware: Firmware, abi: Abi, call: Call) -> Case {
    Case {
        scenario: match (call, abi) {
            (Call::File, Abi::V1) => "boot call=file abi=v1",
            (Call::File, Abi::V2) => "boot call=file abi=v2",
            (Call::Load, Abi::V1) => "boot call=load abi=v1",
            (Call::Load, Abi::V2) => "boot call=load abi=v2",
        },
        ..boots(xen, firmware)
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
            name: "Xen with UEFI, a dom0 locked down: kexec_file_load boots a kernel, by V2",
            scenario: "boot call=file abi=v2 lockdown=integrity",
            ..boots(Main, UEFI)
        },
        Case {
            name: "Xen with UEFI: kexec_file_load boots a kernel, by V1",
            scenario: "boot call=file abi=v1",
            ..boots(Main, UEFI)
        },
        Case {
            name: "Xen without kexec: the module says why it refuses",
            scenario: "refuse",
            end: End::FirstKernel,
            says: &[
                r"rkexec: not loaded: Xen \d+\.\d+ was built without kexec \(CONFIG_KEXEC\)",
                "could not insert 'rkexec': Operation not supported",
            ],
            expects_trouble: &["rkexec: not loaded: .*CONFIG_KEXEC"],
            seconds: 45,
            ..boots(WithoutKexec, BIOS)
        },
    ]
}
