//! Tests on a machine without Xen.

use rkexec_protocol::choice::{Call, Extra, Gone};
use rkexec_protocol::scenario::Tools;
use rkexec_protocol::Scenario;

use super::rows::{BOOTS, FILE, LOAD, NATIVE, NATIVE_BOOTS, SELFTESTS, UEFI};
use crate::case::Case;
use crate::end::End;
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
    machine: NATIVE.kernel("crashkernel=256M"),
    scenario: Scenario::Tools(BY_FILE.crash(true)),
    expects_trouble: &[
        "Kernel panic - not syncing: sysrq triggered crash",
        "Call Trace",
    ],
    ..NATIVE_BOOTS
};

/// What kexec-tools do on many machines.
const WAYS: [(&str, Case); 4] = [
    ("kexec -s boots a kernel", TOOLS),
    ("kexec -c boots a kernel", BOOTS_BY_LOAD),
    ("kexec -s -p, and the crash kernel reads the dump", CRASHES),
    (
        "kexec -c -p, and the crash kernel reads the dump",
        CRASHES_BY_LOAD,
    ),
];
const BOOTS_BY_LOAD: Case = Case {
    scenario: Scenario::Tools(BY_LOAD),
    ..TOOLS
};
const CRASHES_BY_LOAD: Case = Case {
    scenario: Scenario::Tools(Tools::NEW.syscall(Call::Load).crash(true)),
    ..CRASHES
};

/// Those machines, by how many of these ways they take, in that order.
const MACHINES: [(&str, Machine, usize); 5] = [
    ("bare metal", NATIVE, 4),
    ("bare metal, 4 levels", NATIVE.cpu("max,-la57"), 3),
    ("bare metal, no 1 GiB pages", NATIVE.cpu("max,-pdpe1gb"), 3),
    (
        "bare metal, 4 levels, no 1 GiB pages",
        NATIVE.cpu("max,-la57,-pdpe1gb"),
        1,
    ),
    ("UEFI", UEFI, 3),
];

/// Each of the machines in each of its ways.
fn many() -> impl Iterator<Item = Case> {
    MACHINES.into_iter().flat_map(|(on, machine, ways)| {
        WAYS.into_iter().take(ways).map(move |(what, case)| Case {
            name: format!("{on}: {what}").leak(),
            machine: machine.kernel(case.machine.kernel),
            ..case
        })
    })
}

pub fn all() -> Vec<Case> {
    many().chain(others()).collect()
}

fn others() -> Vec<Case> {
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
            name: "bare metal, nogbpages: kexec -s boots a kernel",
            machine: NATIVE.kernel("nogbpages").memory_mib(4096),
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
            machine: NATIVE.kernel("no5lvl"),
            says: &[r"\(4 levels"],
            ..TOOLS
        },
        Case {
            name: "64 GiB: kexec -s boots a kernel",
            machine: NATIVE.memory_mib(64 << 10),
            seconds: 60,
            ..TOOLS
        },
        Case {
            name: "256 GiB: kexec -s boots a kernel",
            machine: NATIVE.memory_mib(256 << 10),
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
