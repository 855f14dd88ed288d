//! Tests on a machine without Xen.

use rkexec_protocol::choice::{Amid, Call, Extra, Gone};
use rkexec_protocol::scenario::{Tools, Turns};
use rkexec_protocol::Scenario;

use super::rows::{BOOTS, FILE, LOAD, NATIVE, NATIVE_BOOTS, NATIVE_BOOTS_BY_LOAD, SELFTESTS, UEFI};
use crate::case::Case;
use crate::end::End;
use crate::machine::{Firmware, Machine};
use crate::reset::Target;

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
    ..NATIVE_BOOTS_BY_LOAD
};
const CRASHES_BY_LOAD: Case = Case {
    scenario: Scenario::Tools(Tools::NEW.syscall(Call::Load).crash(true)),
    says: NATIVE_BOOTS_BY_LOAD.says,
    never: NATIVE_BOOTS_BY_LOAD.never,
    ..CRASHES
};

/// A machine with this firmware on which kexec-tools takes one of these ways.
pub fn way(firmware: Firmware, call: Call, crash: bool) -> Case {
    let case = match (call, crash) {
        (Call::File, false) => TOOLS,
        (Call::Load, false) => BOOTS_BY_LOAD,
        (Call::File, true) => CRASHES,
        (Call::Load, true) => CRASHES_BY_LOAD,
    };
    Case {
        machine: case.machine.firmware(firmware),
        ..case
    }
}

/// Those machines, by how many of these ways they take, in that order.
const MACHINES: [(&str, Machine, usize); 5] = [
    ("bare metal", NATIVE, 4),
    ("bare metal, 4 levels", NATIVE.cpu("max,-la57"), 3),
    ("bare metal, no 1 GiB pages", NATIVE.cpu("max,-pdpe1gb"), 3),
    (
        "bare metal, 4 levels, no 1 GiB pages",
        NATIVE.cpu("max,-la57,-pdpe1gb"),
        3,
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

/// In the midst of what the kernel panics, and how it ends. It starts no crash image while its kexec lock is taken, as it
/// does not without the module either.
const AMID: [(Amid, &str, End); 4] = [
    (
        Amid::CrashLoad,
        "the load of another crash image: a restart",
        End::Restart,
    ),
    (
        Amid::Load,
        "the load of a default image: a restart",
        End::Restart,
    ),
    (
        Amid::Leaving,
        "modprobe -r: the crash kernel reads the dump",
        End::NextKernel,
    ),
    (
        Amid::Exec,
        "the way into a default image: a restart",
        End::Restart,
    ),
];

fn amid() -> impl Iterator<Item = Case> {
    AMID.into_iter().map(|(amid, what, end)| Case {
        name: format!("bare metal: a panic in the midst of {what}").leak(),
        scenario: Scenario::Tools(BY_FILE.crash(true).amid(Some(amid))),
        says: &["Kernel panic - not syncing: sysrq triggered crash"],
        end,
        ..CRASHES
    })
}

pub fn all() -> Vec<Case> {
    many()
        .chain(amid())
        .chain(changed())
        .chain(others())
        .collect()
}

/// What is changed in an image before it is verified, and whether that is one for a crash.
const CHANGED: [(Target, bool, &str); 9] = [
    (Target::Source, false, "page of the image"),
    (Target::Params, false, "parameter"),
    (Target::CopyList, false, "copy list"),
    (Target::PageTable, false, "page table"),
    (Target::Destination, false, "page behind the copy"),
    (Target::InPlace, true, "page of a crash image"),
    (Target::Params, true, "parameter of a crash image"),
    (Target::CopyList, true, "copy list of a crash image"),
    (Target::PageTable, true, "page table of a crash image"),
];

fn changed() -> impl Iterator<Item = Case> {
    CHANGED.into_iter().map(|(target, crash, what)| {
        let case = if crash { CRASHES } else { TOOLS };
        Case {
            name: format!("bare metal: the hand-over finds a changed {what}").leak(),
            scenario: match target {
                // It takes a while to verify, and what is changed is at the end.
                Target::Destination => Scenario::Boot(FILE.blob(40).pause(true)),
                _ => Scenario::Tools(BY_FILE.crash(crash).pause(true)),
            },
            end: End::Reset(target),
            says: &["rkexec: resetting the machine"],
            never: &["^rkexec: entering 0x"],
            expects_trouble: CAUGHT,
            ..case
        }
    })
}

/// What is said of a load that is killed.
const KILLED: &[&str] = &["image not loaded: the task that loads it is being killed"];

/// What the kernel says with `crash.dyndbg=+p`, and the hand-over then.
const HOTPLUG: &[&str] = &[
    "crash hp: updated elfcorehdr",
    "rkexec: image verified",
    "rkexec: entering 0x",
];

/// What is said when that is found, and of a crash.
const CAUGHT: &[&str] = &[
    "hand-over failed: .* SHA-256",
    "Kernel panic - not syncing: sysrq triggered crash",
    "Call Trace",
];

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
            ..NATIVE_BOOTS_BY_LOAD
        },
        Case {
            name: "bare metal, nogbpages: kexec -s boots a kernel",
            machine: NATIVE.kernel("nogbpages").memory_mib(4096),
            says: &[
                "without pages of 1 GiB",
                "rkexec: image verified",
                "rkexec: entering 0x",
            ],
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
            ..NATIVE_BOOTS_BY_LOAD
        },
        Case {
            name: "bare metal, from 4 levels to 5: kexec -s boots a kernel",
            machine: NATIVE.kernel("no5lvl"),
            says: &[
                r"\(4 levels",
                "rkexec: image verified",
                "rkexec: entering 0x",
            ],
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
            ..NATIVE_BOOTS_BY_LOAD
        },
        Case {
            name: "bare metal: the kernel's own code and the module by turns, and at once; its image boots",
            machine: NATIVE.kernel("crashkernel=256M"),
            scenario: Scenario::Turns(Turns::NEW),
            expects_trouble: KILLED,
            seconds: 90,
            ..TOOLS
        },
        Case {
            name: "bare metal: an image that the kernel has loaded boots with the module there",
            machine: NATIVE.kernel("crashkernel=256M"),
            scenario: Scenario::Turns(Turns::NEW.stock(true)),
            says: NATIVE_BOOTS_BY_LOAD.says,
            never: NATIVE_BOOTS_BY_LOAD.never,
            seconds: 35,
            ..TOOLS
        },
        Case {
            name: "bare metal: memory goes and comes when a crash image is loaded, and the dump can be read",
            machine: NATIVE.kernel("crashkernel=256M crash.dyndbg=+p loglevel=8"),
            scenario: Scenario::Tools(BY_FILE.crash(true).hotplug(true)),
            says: HOTPLUG,
            ..CRASHES
        },
        Case {
            name: "bare metal: a changed ELF core header is no fault, for the kernel may change it",
            scenario: Scenario::Tools(BY_FILE.crash(true).pause(true)),
            end: End::CoreHeader,
            ..CRASHES
        },
        Case {
            name: "bare metal, cma=: an image that would overwrite itself is refused, one beside CMA boots",
            machine: NATIVE.kernel("cma=600M"),
            scenario: Scenario::Cma,
            expects_trouble: &["image not loaded: .* unpack itself over its initrd"],
            ..TOOLS
        },
        Case {
            name: "bare metal, without SHA-NI: kexec -s boots a kernel",
            machine: NATIVE.cpu("Nehalem"),
            ..TOOLS
        },
        // Xen masks the line that the monitor sends them on.
        Case {
            name: "bare metal: NMIs do not stop the hand-over",
            scenario: Scenario::Boot(FILE.blob(40)),
            end: End::Interrupted,
            ..NATIVE_BOOTS
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
