//! Tests of a dom0, or its Xen, that crashes into a crash kernel.

use rkexec_protocol::choice::{Amid, Extra, Lockdown, Trigger, Way};
use rkexec_protocol::scenario::Crash;
use rkexec_protocol::Scenario;

use super::rows::BOOTS;
use crate::case::Case;
use crate::end::End;
use crate::esp::{Grub, Holes};
use crate::machine::{Firmware, Machine, DOM0};
use crate::probe::{Entered, Maker};
use crate::xen_build::XenBuild;

/// A dom0 with 1 of 2 GiB, and the crash area at the place that Xen likes.
const AREA: Machine = DOM0.xen_options("crashkernel=256M");

/// What is said of a crash, and is no trouble here.
const CRASH: &[&str] = &[
    "Kernel panic - not syncing: sysrq triggered crash",
    "Call Trace",
    r"\(XEN\) Hardware Dom0 crashed: ",
    r"\(XEN\) Hardware Dom0 shutdown: watchdog rebooting machine",
    "rkexec: image not loaded: crash images need Xen's kexec interface V2",
    r"rkexec: not loaded: Xen \d+\.\d+ has no kexec interface V1",
];

/// A row without content: a dom0 that panics, and Xen enters a crash kernel of the module's.
const CRASHES: Case = Case {
    machine: AREA,
    scenario: Scenario::Crash(Crash::NEW),
    says: &[
        "rkexec: Xen has the crash image: ",
        "Kernel panic - not syncing: sysrq triggered crash",
        r"\(XEN\) Hardware Dom0 crashed: Executing kexec image",
        "rkexec: page tables verified",
        "rkexec: image verified",
        "rkexec: low memory saved",
        "rkexec: entering 0x",
    ],
    expects_trouble: CRASH,
    seconds: 45,
    ..BOOTS
};

/// A dom0 on this Xen that loads a crash kernel so, and panics.
pub fn cycle(xen: XenBuild, firmware: Firmware, call: Way) -> Case {
    Case {
        machine: AREA.xen(Some(xen)).firmware(firmware),
        scenario: Scenario::Crash(Crash::NEW.call(call)),
        ..CRASHES
    }
}

/// In the midst of what dom0 panics. The kernel starts no crash image while its kexec lock is taken, and the module takes
/// its images along when it leaves: so the machine restarts.
const AMID: [(Amid, &str); 4] = [
    (Amid::CrashLoad, "the load of another crash image"),
    (Amid::Load, "the load of a default image"),
    (Amid::Leaving, "modprobe -r"),
    (Amid::Exec, "the way into a default image"),
];

fn amid() -> impl Iterator<Item = Case> {
    AMID.into_iter().map(|(amid, what)| Case {
        name: format!("dom0: a panic in the midst of {what}: a restart").leak(),
        scenario: Scenario::Crash(Crash::NEW.default(true).amid(Some(amid))),
        says: &["Kernel panic - not syncing: sysrq triggered crash"],
        end: End::Restart,
        ..CRASHES
    })
}

pub fn all() -> Vec<Case> {
    const FILE: Crash = Crash::NEW;
    const LOAD: Crash = Crash::NEW.call(Way::Load);
    let watchdog = FILE.trigger(Trigger::Watchdog).again(true).blob(38);
    let shutdown = LOAD.trigger(Trigger::Shutdown).default(true).blob(38);
    let mut rows = vec![
        Case {
            name: "dom0: a panic, kexec_file_load: the crash kernel reads the machine's dump",
            scenario: Scenario::Crash(FILE.default(true)),
            ..CRASHES
        },
        Case {
            name: "dom0: Xen's debug key, kexec_load: the crash kernel reads the machine's dump",
            scenario: Scenario::Crash(LOAD.trigger(Trigger::DebugKey).again(true)),
            says: &[
                r"\(XEN\) 'C' pressed -> triggering crashdump",
                "rkexec: image verified",
                "rkexec: entering 0x",
            ],
            seconds: 55,
            ..CRASHES
        },
        Case {
            name: "dom0: Xen's watchdog, kexec_file_load: the crash kernel reads the machine's dump",
            scenario: Scenario::Crash(watchdog.next(Some(Extra::XenConsole))),
            says: &[
                "rkexec: the crash kernel's command line has console=hvc0",
                r"\(XEN\) Watchdog timer (0 )?fired for (domain |d)0",
                "rkexec: image verified",
                "rkexec: low memory saved",
                "rkexec: entering 0x",
            ],
            seconds: 60,
            ..CRASHES
        },
        Case {
            name: "dom0: SHUTDOWN_crash, kexec_load: the crash kernel reads the machine's dump",
            scenario: Scenario::Crash(shutdown),
            says: &[
                r"\(XEN\) Hardware Dom0 crashed: Executing kexec image",
                "rkexec: image verified",
                "rkexec: entering 0x",
            ],
            ..CRASHES
        },
        Case {
            name: "dom0 with numbers like the crash area's for its memory, all in use: it is left alone",
            machine: DOM0.xen_options("crashkernel=256M@256M"),
            scenario: Scenario::Crash(FILE.again(true).pressure(600)),
            seconds: 75,
            ..CRASHES
        },
        Case {
            name: "dom0: kexec-tools past the kernel: the dump is the same (a test of the tests)",
            scenario: Scenario::Crash(FILE.call(Way::Tools)),
            says: &[r"\(XEN\) Hardware Dom0 crashed: Executing kexec image"],
            ..CRASHES
        },
        Case {
            name: "dom0: kexec-tools through the door, and a program has Xen start the crash image: the same",
            scenario: Scenario::Crash(FILE.call(Way::Door).trigger(Trigger::Exec)),
            says: &[
                "rkexec: kexec has called Xen to load an image: the kernel loads it",
                "rkexec: Xen has the crash image: ",
                r"\(XEN\) .*Executing (kexec|crash) image",
                "rkexec: image verified",
                "rkexec: entering 0x",
            ],
            ..CRASHES
        },
        Case {
            name: "dom0 without a crash area: crash images are refused, and it says why",
            machine: DOM0,
            scenario: Scenario::CrashRefusal,
            end: End::FirstKernel,
            says: &[],
            expects_trouble: &["rkexec: image not loaded: .*Xen has no crash area"],
            seconds: 25,
            ..CRASHES
        },
        Case {
            name: "dom0 with a crash area below 16 MiB: bad crash images are refused, the probe is entered",
            machine: DOM0.xen_options("crashkernel=8M@8M"),
            scenario: Scenario::CrashBadInput,
            end: End::Probe(Maker::Module, Entered::ByHandOver),
            says: &[
                "rkexec: image not loaded: .* segments, at most",
                "rkexec: image not loaded: .* bytes more do not fit in Xen's crash area",
                "rkexec: image verified",
            ],
            expects_trouble: &["rkexec: image not loaded: "],
            seconds: 35,
            ..CRASHES
        },
        Case {
            name: "6 GiB, a crash area above 4 GiB: the crash kernel reads the machine's dump",
            machine: DOM0.memory_mib(6144).xen_options("crashkernel=256M@5G"),
            ..CRASHES
        },
        Case {
            name: "UEFI, a dom0 locked down: a panic: the crash kernel reads the machine's dump",
            scenario: Scenario::Crash(FILE.lockdown(Some(Lockdown::Confidentiality))),
            machine: AREA.firmware(Firmware::Uefi),
            seconds: 55,
            ..CRASHES
        },
        Case {
            name: "more than 128 entries: a panic of dom0: the crash kernel gets all that are not RAM",
            machine: Machine {
                grub: Some(Grub::Holes(Holes {
                    first: 768 << 20,
                    distance: 0x2000,
                    count: 140,
                })),
                firmware: Firmware::Uefi,
                ..AREA
            },
            says: &[
                "rkexec: low memory saved",
                "rkexec: entering 0x",
                "extended physical RAM map:",
            ],
            seconds: 60,
            ..CRASHES
        },
    ];
    let builds = [XenBuild::Bullseye, XenBuild::Bookworm, XenBuild::Sid];
    rows.extend(amid());
    rows.extend(builds.map(|xen| {
        Case {
            name: format!(
                "Xen of {xen}: a panic of dom0: the crash kernel reads the machine's dump"
            )
            .leak(),
            ..cycle(xen, Firmware::Bios, Way::File)
        }
    }));
    rows
}
