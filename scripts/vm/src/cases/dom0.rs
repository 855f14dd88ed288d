//! Tests of a dom0 on the Xen that most use: loads of all kinds, refusals, and what the hand-over
//! finds.

use rkexec_protocol::choice::Destination::{Dom0, Dom0Kernel, High, Xen, XenHeap};
use rkexec_protocol::scenario::{Boot, Refuse};
use rkexec_protocol::Scenario;

use super::rows::{BOOTS, FILE, LOAD, SELFTESTS};
use crate::case::{Case, Needs};
use crate::end::End;
use crate::machine::{Machine, DOM0};
use crate::reset::Target;

type On = (&'static str, Machine);
const USUAL: On = ("dom0", DOM0);
/// A dom0 that has all the memory that Xen can give it.
const GREEDY: On = ("dom0 with all memory", DOM0.dom0_mem(""));
/// A dom0 with memory above 4 GiB.
const LARGE: On = ("6 GiB", DOM0.memory_mib(6144).dom0_mem("5G,max:5G"));
/// Images of about so many MB.
const FILE_40: Boot = FILE.blob(38);
const FILE_200: Boot = FILE.blob(198);
const LOAD_40: Boot = LOAD.blob(38);
const LOAD_200: Boot = LOAD.blob(198);
/// A dom0 on a processor of 2008.
const OLD: Machine = DOM0.cpu("Nehalem");
/// A dom0 of type PVH. The processor is one that Xen can virtualise in an emulator; one, for with two
/// the emulator interrupts kernels where interrupts are off.
const PVH: Machine = Machine {
    cpus: 1,
    cpu: "EPYC,+svm,+npt,-monitor,-rdtscp",
    xen_options: "dom0=pvh cpuidle=0",
    qemu: &["-machine", "q35", "-device", "amd-iommu"],
    ..DOM0
};

/// A row without content: a dom0 whose image is changed before it is started.
const CAUGHT: Case = Case {
    scenario: Scenario::Boot(FILE.pause(true)),
    says: &["rkexec: resetting the machine"],
    expects_trouble: &["hand-over failed: .* SHA-256"],
    seconds: 35,
    ..BOOTS
};
/// On what an image is booted, how it is loaded, and what that shows.
const BOOTED: [(On, Boot, &str); 11] = [
    (USUAL, FILE_40, "boots a kernel, 40 MB"),
    (USUAL, LOAD_40, "boots a kernel, 40 MB"),
    (GREEDY, FILE_40, "boots a kernel, 40 MB"),
    (GREEDY, LOAD_40, "boots a kernel, 40 MB"),
    (USUAL, FILE_200, "boots a kernel, 200 MB"),
    (GREEDY, FILE_200, "boots a kernel, 200 MB"),
    (
        USUAL,
        LOAD_200.dest(Dom0),
        "to where its own memory is, 200 MB",
    ),
    (USUAL, LOAD_40.dest(XenHeap), "to Xen's free heap"),
    (USUAL, LOAD_40.dest(Dom0Kernel), "over dom0's own kernel"),
    (LARGE, FILE_40, "boots a kernel"),
    (LARGE, LOAD_40.dest(High), "above 4 GiB"),
];

/// What is changed in an image before it is started.
const CHANGED: [(Target, &str); 5] = [
    (Target::Source, "page of the image"),
    (Target::Params, "parameter"),
    (Target::CopyList, "copy list"),
    (Target::PageTable, "page table"),
    (Target::Destination, "page behind the copy"),
];

pub fn all() -> Vec<Case> {
    let booted = BOOTED.map(|((on, machine), boot, what)| Case {
        name: format!("{on}: {} {what}", boot.call.name()).leak(),
        machine,
        scenario: Scenario::Boot(boot),
        seconds: if boot.blob < 100 { 60 } else { 90 },
        ..BOOTS
    });
    let changed = CHANGED.map(|(target, what)| Case {
        name: format!("dom0: the hand-over finds a changed {what}").leak(),
        scenario: match target {
            // It takes a while to verify, and what is changed is at the end.
            Target::Destination => Scenario::Boot(FILE_40.pause(true)),
            _ => CAUGHT.scenario,
        },
        end: End::Reset(target),
        ..CAUGHT
    });
    let tables = [Vec::from(booted), others(), Vec::from(changed)];
    tables.into_iter().flatten().collect()
}

fn others() -> Vec<Case> {
    vec![
        Case {
            name: "dom0 of type PVH: the module says why it refuses",
            machine: PVH,
            scenario: Scenario::Refuse(Refuse::NEW),
            end: End::FirstKernel,
            says: &["rkexec: not loaded: .*PVH"],
            expects_trouble: &["rkexec: not loaded: .*PVH"],
            seconds: 45,
            ..BOOTS
        },
        Case {
            name: "PV guest: the module says why it refuses",
            scenario: Scenario::Guest,
            says: &["rkexec: not loaded: .*PV guest"],
            expects_trouble: &["rkexec: not loaded: .*PV guest"],
            needs: Needs::XenTools,
            seconds: 80,
            ..BOOTS
        },
        Case {
            name: "dom0: kexec_load over Xen",
            scenario: Scenario::Boot(LOAD_40.dest(Xen)),
            says: &[
                r"rkexec: segment \d \(.*\) lies over Xen \(.*\)",
                "rkexec: image verified",
                "rkexec: entering 0x",
            ],
            expects_trouble: &["rkexec: segment .* lies over Xen"],
            ..BOOTS
        },
        Case {
            name: "dom0: an image in pages without neighbours, with a copy list of many pages",
            scenario: Scenario::Boot(FILE.scatter(200).blob(38)),
            says: &[r"copy list of \d\d+ pages", "rkexec: image verified", "rkexec: entering 0x"],
            ..BOOTS
        },
        Case {
            name: "an old processor, without SHA-NI and 1 GiB pages: kexec_file_load boots a kernel",
            machine: OLD,
            scenario: Scenario::Boot(FILE_40),
            seconds: 90,
            ..BOOTS
        },
        Case {
            name: "dom0: loaded, replaced, unloaded, gone with the module, loaded again and booted",
            scenario: Scenario::Lifecycle,
            says: &[
                "rkexec: not loaded: an image is loaded that this module has not prepared",
                "rkexec: the loaded image goes with the module",
                "rkexec: image verified",
            ],
            expects_trouble: &["rkexec: not loaded: an image is loaded", "rkexec: image not loaded: .*being killed"],
            seconds: 80,
            ..BOOTS
        },
        Case {
            name: "dom0: bad input is refused, and the image loaded before it boots",
            scenario: Scenario::BadInput,
            says: &[
                "rkexec: image not loaded: .* is not in the machine's RAM: there is none at 0xa0000",
                "rkexec: image not loaded: the data of segment 1 cannot be read",
                "rkexec: image not loaded: not enough memory",
                "rkexec: image verified",
            ],
            expects_trouble: &["rkexec: image not loaded: ", "rkexec: not loaded: xen_abi="],
            seconds: 80,
            ..BOOTS
        },
        Case {
            name: "dom0: kexec-client and kexec-tools load, unload and boot",
            scenario: Scenario::Clients,
            expects_trouble: &["rkexec: image not loaded: .*0xa0000"],
            seconds: 80,
            ..BOOTS
        },
        Case {
            name: "dom0: Linux's own tests of kexec say what they say without the module",
            ..SELFTESTS
        },
    ]
}
