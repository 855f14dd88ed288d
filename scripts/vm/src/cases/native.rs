//! Tests on a machine without Xen.

use std::borrow::Cow;

use rkexec_protocol::choice::{Call, Extra, Gone};
use rkexec_protocol::scenario::Tools;
use rkexec_protocol::Scenario;

use super::rows::{with_cpu, BOOTS, FILE, LOAD, NATIVE, NATIVE_BOOTS, SELFTESTS, UEFI};
use crate::case::Case;
use crate::ending::End;
use crate::machine::Machine;

/// A row without content: a bare machine on which kexec-tools boots the next kernel.
const TOOLS: Case = Case {
    scenario: Scenario::Tools(BY_FILE),
    ..NATIVE_BOOTS
};

const BY_FILE: Tools = Tools::NEW;
/// By `kexec_load` it leaves the first KiB out of the next kernel's memory.
const BY_LOAD: Tools = Tools::NEW.syscall(Call::Load).first(1024);

/// A row without content: a bare machine that crashes into the next kernel.
const CRASHES: Case = Case {
    machine: Machine {
        kernel: Cow::Borrowed("crashkernel=256M"),
        ..NATIVE
    },
    scenario: Scenario::Tools(BY_FILE.crash(true)),
    expects_trouble: &[
        "Kernel panic - not syncing: sysrq triggered crash",
        "Call Trace",
    ],
    ..NATIVE_BOOTS
};

/// A bare machine that has a crash area, with this processor.
const fn crashing(cpu: &'static str) -> Machine {
    Machine {
        cpu: Cow::Borrowed(cpu),
        kernel: Cow::Borrowed("crashkernel=256M"),
        ..NATIVE
    }
}
pub fn all() -> Vec<Case> {
    vec![
        Case {
            name: "bare metal: kexec_file_load boots a kernel",
            scenario: Scenario::Boot(FILE),
            ..NATIVE_BOOTS
        },
        Case {
            name: "bare metal: kexec_load boots a kernel",
            scenario: Scenario::Boot(LOAD),
            ..NATIVE_BOOTS
        },
        Case {
            name: "bare metal: kexec -s boots a kernel",
            ..TOOLS
        },
        Case {
            name: "bare metal: kexec -c boots a kernel",
            scenario: Scenario::Tools(BY_LOAD),
            ..TOOLS
        },
        Case {
            name: "bare metal: kexec -s -p, and the crash kernel reads the dump",
            ..CRASHES
        },
        Case {
            name: "bare metal: kexec -c -p, and the crash kernel reads the dump",
            scenario: Scenario::Tools(BY_LOAD.first(0).crash(true)),
            ..CRASHES
        },
        Case {
            name: "bare metal, 4 levels: kexec -s boots a kernel",
            machine: with_cpu("max,-la57"),
            ..TOOLS
        },
        Case {
            name: "bare metal, 4 levels: kexec -c boots a kernel",
            machine: with_cpu("max,-la57"),
            scenario: Scenario::Tools(BY_LOAD),
            ..TOOLS
        },
        Case {
            name: "bare metal, 4 levels: kexec -s -p, and the crash kernel reads the dump",
            machine: crashing("max,-la57"),
            ..CRASHES
        },
        Case {
            name: "bare metal, no 1 GiB pages: kexec -s boots a kernel",
            machine: with_cpu("max,-pdpe1gb"),
            ..TOOLS
        },
        Case {
            name: "bare metal, no 1 GiB pages: kexec -c boots a kernel",
            machine: with_cpu("max,-pdpe1gb"),
            scenario: Scenario::Tools(BY_LOAD),
            ..TOOLS
        },
        Case {
            name: "bare metal, no 1 GiB pages: kexec -s -p, and the crash kernel reads the dump",
            machine: crashing("max,-pdpe1gb"),
            ..CRASHES
        },
        Case {
            name: "bare metal, 4 levels, no 1 GiB pages: kexec -s boots a kernel",
            machine: with_cpu("max,-la57,-pdpe1gb"),
            ..TOOLS
        },
        Case {
            name: "bare metal, nogbpages: kexec -s boots a kernel",
            machine: Machine {
                kernel: Cow::Borrowed("nogbpages"),
                memory_mib: 4096,
                ..NATIVE
            },
            says: &["without pages of 1 GiB"],
            ..TOOLS
        },
        Case {
            name: "bare metal, from 5 levels to 4: kexec -s boots a kernel",
            scenario: Scenario::Tools(BY_FILE.next(Some(Extra::FourLevels))),
            ..TOOLS
        },
        Case {
            name: "bare metal, from 5 levels to 4: kexec -c boots a kernel",
            scenario: Scenario::Tools(BY_LOAD.next(Some(Extra::FourLevels))),
            ..TOOLS
        },
        Case {
            name: "bare metal, from 4 levels to 5: kexec -s boots a kernel",
            machine: Machine {
                kernel: Cow::Borrowed("no5lvl"),
                ..NATIVE
            },
            says: &[r"\(4 levels"],
            ..TOOLS
        },
        Case {
            name: "UEFI: kexec -s boots a kernel",
            machine: UEFI,
            ..TOOLS
        },
        Case {
            name: "UEFI: kexec -c boots a kernel",
            machine: UEFI,
            scenario: Scenario::Tools(BY_LOAD),
            ..TOOLS
        },
        Case {
            name: "UEFI: kexec -s -p, and the crash kernel reads the dump",
            machine: Machine {
                kernel: Cow::Borrowed("crashkernel=256M"),
                ..UEFI
            },
            ..CRASHES
        },
        Case {
            name: "64 GiB: kexec -s boots a kernel",
            machine: Machine {
                memory_mib: 64 << 10,
                ..NATIVE
            },
            seconds: 60,
            ..TOOLS
        },
        Case {
            name: "256 GiB: kexec -s boots a kernel",
            machine: Machine {
                memory_mib: 256 << 10,
                ..NATIVE
            },
            seconds: 90,
            ..TOOLS
        },
        Case {
            name: "bare metal: the module goes, and its image is entered",
            scenario: Scenario::Tools(BY_FILE.gone(Some(Gone::Exec))),
            ..TOOLS
        },
        Case {
            name: "bare metal: the module goes, the kernel unloads its image and loads another",
            scenario: Scenario::Tools(BY_LOAD.gone(Some(Gone::Unload))),
            ..TOOLS
        },
        Case {
            name: "bare metal: three kernels in a row, each from another processor",
            machine: Machine { cpus: 3, ..NATIVE },
            scenario: Scenario::Tools(BY_FILE.rounds(3)),
            end: End::Kernels(4),
            seconds: 90,
            ..TOOLS
        },
        Case {
            name: "bare metal: the tests' own image for kexec_load boots (a test of the tests)",
            machine: NATIVE,
            scenario: Scenario::Boot(LOAD),
            module: false,
            says: &[],
            ..BOOTS
        },
        Case {
            name: "bare metal: Linux's own tests of kexec say what they say without the module",
            machine: NATIVE,
            ..SELFTESTS
        },
    ]
}
