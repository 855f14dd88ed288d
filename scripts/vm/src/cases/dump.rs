//! Tests of what the usual tools make of the dump of a dom0.

use super::{dom0_with, Case, End, BOOTS};
use crate::machine::{Machine, DOM0};

/// What dom0, Linux and Xen say of a crash that is wanted.
const CRASH: &[&str] = &[
    "Kernel panic - not syncing: sysrq triggered crash",
    "Call Trace",
    "Hardware Dom0 crashed",
];

/// A dom0 with a crash area, and a disk for the dump.
const MACHINE: Machine = Machine {
    memory_mib: 1024,
    boot: dom0_with("512M,max:512M", "crashkernel=256M"),
    disk: true,
    ..DOM0
};

/// All of them.
pub fn all() -> Vec<Case> {
    vec![Case {
        name: "dom0: makedumpfile reads its dump, which has all that kexec-tools' own has",
        machine: MACHINE,
        scenario: "dump by=kernel blob=1",
        end: End::Dump("dump by=xen blob=1"),
        says: &["Hardware Dom0 crashed: Executing kexec image"],
        expects_trouble: CRASH,
        seconds: 120,
        ..BOOTS
    }]
}
