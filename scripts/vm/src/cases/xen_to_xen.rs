//! Tests of `rkexec-xen`: a Debian host (`scripts/dom0-disk`) restarts into Xen, from Xen or from Linux alone, as
//! GRUB's configuration on its disk has it.

use rkexec_protocol::choice::Journey;
use rkexec_protocol::scenario::XenToXen;
use rkexec_protocol::Scenario;

use super::clients::{DEBIAN, OVER_XEN};
use super::dump::CRASH;
use super::rows::BOOTS;
use crate::case::{Case, Needs};
use crate::end::End;
use crate::esp::Grub;
use crate::machine::{Firmware, Machine};
use crate::xen_build::XenBuild;

/// The first dom0 has what GRUB's entries give the others. Xen polls the port: where its interrupts take long, as
/// they do on an emulated processor that has much to say, Xen says so in the middle of somebody's line.
///
/// Guests run here. On this processor Xen restores a virtual one's SSE registers only at their first use, by
/// default; then programs of dom0's were seen to find wrong values in them while there was a guest, with rkexec and
/// without, and dom0's programs died or waited for ever. Whether that is QEMU's (10.0) fault or Xen's is not known.
const HOST: Machine = Machine {
    xen: Some(XenBuild::Trixie),
    xen_options: "com1=115200,8n1,0x3f8,0 crashkernel=256M spec-ctrl=eager-fpu",
    ..DEBIAN
};

/// A row without content: a host that restarts once.
const RESTARTS: Case = Case {
    machine: HOST,
    end: End::Quiet(2),
    says: &[
        "kexec_core: Starting new kernel",
        "rkexec: image verified",
        "rkexec: entering 0x",
    ],
    expects_trouble: &[OVER_XEN],
    needs: Needs::TwoXens,
    seconds: 150,
    ..BOOTS
};

const fn on(journey: Journey) -> Scenario {
    Scenario::XenToXen(XenToXen::NEW.journey(journey))
}

/// What `vm run-xen` shows.
pub fn story() -> Case {
    Case {
        name: "the story of Xen to Xen",
        scenario: on(Journey::Same),
        needs: Needs::Debian,
        ..RESTARTS
    }
}

/// Those that every run of the tests has.
pub fn some() -> Vec<Case> {
    vec![Case {
        name: "Xen to Xen: three times, 4.20, 4.17, 4.20, 4.20; what is refused",
        scenario: on(Journey::ThereAndBack),
        end: End::Quiet(4),
        seconds: 280,
        ..RESTARTS
    }]
}

/// All of them.
pub fn all() -> Vec<Case> {
    let mut rows = some();
    rows.extend([
        Case {
            name: "Xen to Xen: to the same, 4.20",
            scenario: on(Journey::Same),
            ..RESTARTS
        },
        Case {
            name: "Xen to Xen: to an older one, 4.17",
            scenario: on(Journey::Older),
            ..RESTARTS
        },
        Case {
            name: "Xen to Xen: from 4.17 to a newer one, 4.20",
            machine: HOST.xen(Some(XenBuild::Bookworm)),
            scenario: on(Journey::Newer),
            ..RESTARTS
        },
        Case {
            name: "Xen to Xen: to another kernel of dom0's",
            scenario: on(Journey::OtherKernel),
            ..RESTARTS
        },
        Case {
            name: "Xen to Xen: dom0 crashes there, and kdump-tools saves a dump",
            scenario: on(Journey::Kdump),
            end: End::Saved(2),
            says: &[
                "kexec_core: Starting new kernel",
                "Hardware Dom0 crashed: Executing kexec image",
                "saved vmcore in /var/crash/",
            ],
            expects_trouble: CRASH,
            seconds: 240,
            ..RESTARTS
        },
        Case {
            name: "Linux to Xen",
            machine: HOST.xen(None),
            scenario: on(Journey::FromLinux),
            end: End::Kernels(2),
            says: &["kexec_core: Starting new kernel"],
            ..RESTARTS
        },
        Case {
            name: "Xen to Xen with UEFI",
            machine: Machine {
                firmware: Firmware::Uefi,
                grub: Some(Grub::Host),
                ..HOST
            },
            scenario: on(Journey::Same),
            ..RESTARTS
        },
    ]);
    rows
}
