//! Tests of what the usual tools make of the dump of a dom0.

use rkexec_protocol::choice::By;
use rkexec_protocol::scenario::Dumped;
use rkexec_protocol::Scenario;

use super::rows::BOOTS;
use crate::case::Case;
use crate::end::End;
use crate::machine::{Machine, DOM0};

/// What dom0, Linux and Xen say of a crash that is wanted.
pub const CRASH: &[&str] = &[
    "Kernel panic - not syncing: sysrq triggered crash",
    "Call Trace",
    "Hardware Dom0 crashed",
];

/// A dom0 with a crash area, and a disk for the dump.
pub const MACHINE: Machine = DOM0
    .memory_mib(1024)
    .dom0_mem("512M,max:512M")
    .xen_options("crashkernel=256M")
    .disk(true);

pub fn all() -> Vec<Case> {
    vec![Case {
        name: "dom0: makedumpfile reads its dump, which has all that kexec-tools' own has",
        machine: MACHINE,
        scenario: Scenario::Dump(Dumped::NEW.by(By::Kernel).blob(1)),
        end: End::Dump(Scenario::Dump(Dumped::NEW.by(By::Xen).blob(1))),
        says: &["Hardware Dom0 crashed: Executing kexec image"],
        expects_trouble: CRASH,
        seconds: 120,
        ..BOOTS
    }]
}
