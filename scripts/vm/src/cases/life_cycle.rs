//! The life of rkexec's packages, on Debian systems where apt has installed them (`scripts/life-cycle`): each row
//! boots one that has come so far.

use rkexec_protocol::choice::Installed;
use rkexec_protocol::scenario::LifeCycle;
use rkexec_protocol::Scenario;

use super::clients::{OVER_XEN, SAVES_DUMP};
use super::dump::CRASH;
use super::rows::BOOTS;
use crate::case::{Case, Needs};
use crate::end::End;
use crate::machine::{Machine, DOM0};

/// A host with a crash area, for which kdump-tools wants a word, whatever it says; and its disk. What is written to
/// that goes with the machine.
macro_rules! host {
    ($system:literal) => {
        Machine {
            xen_options: "crashkernel=256M",
            kernel: "root=/dev/vda ro net.ifnames=0 crashkernel=256M systemd.show_status=0",
            qemu: &[
                "-nodefaults",
                "-drive",
                concat!(
                    "file=.build/vm/assets/life-cycle/",
                    $system,
                    "/disk,format=raw,if=virtio,snapshot=on"
                ),
            ],
            ..DOM0
        }
    };
}

/// A row without content: a host that boots the next kernel.
const BOOTS_NEXT: Case = Case {
    end: End::Kernels(2),
    says: &["rkexec: image verified", "rkexec: entering 0x"],
    expects_trouble: &[OVER_XEN],
    seconds: 180,
    ..BOOTS
};

/// What Linux on the bare machine says of a crash that is wanted, and dom0 before it.
const CRASH_OF_LINUX: &[&str] = &[
    "Kernel panic - not syncing: sysrq triggered crash",
    "Call Trace",
    OVER_XEN,
];

/// What is said when no module takes the image over: it is kexec-tools that calls Xen.
const STOCK: &[&str] = &[r"\(XEN\) .*Executing kexec image"];

const fn with(installed: Installed) -> Scenario {
    Scenario::LifeCycle(LifeCycle::NEW.installed(installed))
}

pub fn all() -> Vec<Case> {
    vec![
        Case {
            name: "installed by apt: in dom0 it is loaded by itself, kexec boots; so on the bare machine, which crashes, \
                   and kdump-tools saves a dump",
            machine: host!("fresh"),
            scenario: with(Installed::Fresh),
            end: End::Saved(2),
            says: &[
                "rkexec: image verified",
                "rkexec: entering 0x",
                "saved vmcore in /var/crash/",
            ],
            expects_trouble: CRASH_OF_LINUX,
            needs: Needs::Installed("fresh"),
            seconds: 240,
            ..BOOTS_NEXT
        },
        Case {
            name: "installed by apt: dom0 crashes, and kdump-tools saves a dump",
            machine: host!("fresh"),
            scenario: with(Installed::Crash),
            end: End::Saved(1),
            says: SAVES_DUMP,
            expects_trouble: CRASH,
            needs: Needs::Installed("fresh"),
            ..BOOTS_NEXT
        },
        Case {
            name: "a new kernel by apt: its module is loaded",
            machine: host!("upgraded"),
            scenario: with(Installed::Upgraded),
            needs: Needs::Installed("upgraded"),
            ..BOOTS_NEXT
        },
        Case {
            name: "a new kernel without its headers: rkexec.service fails",
            machine: host!("no-headers"),
            scenario: with(Installed::NoHeaders),
            end: End::FirstKernel,
            says: &[],
            needs: Needs::Installed("no-headers"),
            ..BOOTS_NEXT
        },
        Case {
            name: "a kernel without Rust: rkexec.service fails in dom0, and kexec is as it was",
            machine: host!("no-rust"),
            scenario: with(Installed::NoRust),
            says: STOCK,
            needs: Needs::Installed("no-rust"),
            ..BOOTS_NEXT
        },
        Case {
            name: "prebuilt: upgraded with an image loaded, which boots; purged, and kexec is Linux's own",
            machine: host!("prebuilt"),
            scenario: with(Installed::Prebuilt),
            end: End::Kernels(3),
            needs: Needs::Installed("prebuilt"),
            seconds: 240,
            ..BOOTS_NEXT
        },
    ]
}
