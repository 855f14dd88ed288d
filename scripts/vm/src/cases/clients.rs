//! Tests of the programs that people use, as they are, on a Debian system in dom0 (`scripts/dom0-disk`): what
//! they ask of Xen, the kernel does.

use std::path::Path;

use rkexec_protocol::choice::Client;
use rkexec_protocol::scenario::Debian;
use rkexec_protocol::Scenario;

use super::dump::CRASH;
use super::rows::BOOTS;
use crate::case::{Case, Needs};
use crate::end::End;
use crate::machine::{Machine, DOM0};

/// QEMU's arguments for the disk of this release. What is written to it goes with the machine.
macro_rules! qemu {
    ($release:literal) => {
        &[
            // A whole system has a driver for everything, and a driver for nothing takes time as well.
            "-nodefaults",
            "-drive",
            concat!(
                "file=.build/vm/assets/dom0/",
                $release,
                "/disk,format=raw,if=virtio,snapshot=on"
            ),
            "-netdev",
            "user,id=net",
            "-device",
            "virtio-net-pci,netdev=net",
        ]
    };
}

/// What Xen, the hand-over and kdump-tools say of a dom0 that crashes.
pub const SAVES_DUMP: &[&str] = &[
    "Hardware Dom0 crashed: Executing kexec image",
    "rkexec: entering 0x",
    "saved vmcore in /var/crash/",
];

pub const DEBIAN: Machine = Machine {
    kernel: "root=/dev/vda ro net.ifnames=0 systemd.show_status=0",
    qemu: qemu!("trixie"),
    ..DOM0
};

/// kdump-tools wants to see a crashkernel=, whatever it says; the area is Xen's.
const WITH_KDUMP: Machine = Machine {
    xen_options: "crashkernel=256M",
    kernel: "root=/dev/vda ro net.ifnames=0 crashkernel=256M systemd.show_status=0",
    ..DEBIAN
};

const SID: Machine = Machine {
    qemu: qemu!("sid"),
    ..DEBIAN
};

/// kexec-tools puts the kernel to the end of memory, where Xen is. No processor is offline here.
pub const OVER_XEN: &str = "rkexec: segment . .* lies over Xen";
/// What comes of a start without an image.
const NONE_IS_LOADED: &str =
    "rkexec: kexec has called Xen to start an image: refused, for none is loaded";

/// A row without content: a dom0 whose programs boot the next kernel.
const STARTS: Case = Case {
    machine: DEBIAN,
    end: End::Quiet(2),
    says: &[
        "rkexec: kexec has called Xen to load an image: the kernel loads it",
        "rkexec: kexec has called Xen to start the image: the kernel starts it",
        "kexec_core: Starting new kernel",
        "rkexec: image verified",
        "rkexec: entering 0x",
    ],
    expects_trouble: &[OVER_XEN],
    needs: Needs::Debian,
    seconds: 120,
    ..BOOTS
};

/// The same with the systemd of sid, which starts the image itself.
const STARTS_SID: Case = Case {
    machine: SID,
    says: &[
        "rkexec: kexec has called Xen to load an image: the kernel loads it",
        "rkexec: systemd-shutdow has called Xen to start the image: the kernel starts it",
        "kexec_core: Starting new kernel",
        "rkexec: image verified",
        "rkexec: entering 0x",
    ],
    needs: Needs::DebianSid,
    ..STARTS
};

const fn debian(client: Client) -> Scenario {
    Scenario::Debian(Debian::NEW.client(client))
}

/// Those that every run of the tests has.
pub fn some() -> Vec<Case> {
    vec![Case {
        name: "Debian in dom0: kexec-tools loads, replaces, unloads; systemctl reboot starts the image",
        scenario: debian(Client::SystemctlReboot),
        expects_trouble: &[OVER_XEN, NONE_IS_LOADED],
        ..STARTS
    }]
}

/// All of them.
pub fn all() -> Vec<Case> {
    let mut rows = some();
    rows.extend([
        Case {
            name: "Debian in dom0: rkexec-status tells what there is, what was refused, and what is missing",
            machine: WITH_KDUMP,
            scenario: debian(Client::Status),
            end: End::FirstKernel,
            says: &["rkexec: kexec has called Xen to load an image: the kernel loads it"],
            // What it says of a refusal.
            expects_trouble: &[OVER_XEN, NONE_IS_LOADED, "rkexec: not loaded: xen_abi=v9", "vmtest: # "],
            ..STARTS
        },
        Case {
            name: "Debian in dom0: kexec -l, systemctl kexec",
            scenario: debian(Client::SystemctlKexec),
            ..STARTS
        },
        Case {
            name: "Debian in dom0: kexec -s -l, kexec -e",
            scenario: debian(Client::KexecExec),
            ..STARTS
        },
        Case {
            name: "Debian sid in dom0: systemctl kexec loads what the boot loader would",
            scenario: debian(Client::BootEntry),
            says: &[
                "rkexec: kexec_file_load: ",
                "rkexec: systemd-shutdow has called Xen to start the image: the kernel starts it",
                "kexec_core: Starting new kernel",
                "rkexec: image verified",
                "rkexec: entering 0x",
            ],
            // What systemd does where the system call fails.
            never: &["rkexec: kexec has called Xen"],
            ..STARTS_SID
        },
        Case {
            name: "Debian sid in dom0: kexec -l, systemctl kexec",
            scenario: debian(Client::SystemctlKexec),
            ..STARTS_SID
        },
        Case {
            name: "Debian sid in dom0: kexec-tools loads, replaces, unloads; systemctl reboot starts the image",
            scenario: debian(Client::SystemctlReboot),
            expects_trouble: &[OVER_XEN, NONE_IS_LOADED],
            ..STARTS_SID
        },
    ]);
    rows
}

/// Debian's kdump-tools, on a machine with this disk.
pub fn kdump(name: &'static str, client: Client, disk: &Path) -> Case {
    let file = disk.display().to_string().replace(',', ",,");
    let disk = format!("file={file},format=raw,if=virtio");
    Case {
        name,
        machine: Machine {
            qemu: vec!["-nodefaults", "-drive", disk.leak()].leak(),
            // It runs alone, for minutes.
            parallel: true,
            ..WITH_KDUMP
        },
        scenario: debian(client),
        end: End::Saved(1),
        says: SAVES_DUMP,
        expects_trouble: CRASH,
        seconds: 150,
        ..BOOTS
    }
}
