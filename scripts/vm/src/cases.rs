//! The tests: one row each.

use std::borrow::Cow;

use crate::machine::{Boot, Firmware, Machine, DOM0};
use crate::probe::Maker;

/// A test.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows, as a sentence.
    pub name: &'static str,
    /// On what.
    pub machine: Machine,
    /// What the first kernel does there, and with what: a scenario of `selftests/`, and words
    /// `NAME=VALUE` for it.
    pub scenario: &'static str,
    /// How it has to end.
    pub end: End,
    /// What must be said on the serial port: regular expressions.
    pub says: &'static [&'static str],
    /// Lines that are no trouble in this test: regular expressions.
    pub expects_trouble: &'static [&'static str],
    /// What it needs that may not be there.
    pub needs: Needs,
    /// About how many seconds it takes. The longest start first.
    pub seconds: u64,
}

/// What some tests need, and most do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Xen's own tools.
    XenTools,
    /// Linux's own tests of kexec.
    Selftests,
}

/// How a test ends well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first kernel has no complaint.
    FirstKernel,
    /// Nor has the next one.
    NextKernel,
    /// Nor have so many kernels one after the other.
    Kernels(u32),
    /// The hand-over finds what was changed behind its back, says so, and resets the machine.
    Reset(Target),
    /// The probe finds the page tables to be such as their maker should make them.
    Probe(Maker),
}

/// What is changed behind the hand-over's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The hand-over's parameters.
    Params,
    /// A page of the image.
    Source,
    /// The list of what to copy.
    CopyList,
    /// A page table.
    PageTable,
}

impl Target {
    /// What the module's log has before its address (a regular expression).
    pub fn label(self) -> &'static str {
        match self {
            Self::Params => "hand-over at",
            Self::Source => "first source page",
            Self::CopyList => r"copy list(?: of \d+ pages?)? at",
            Self::PageTable => "page tables? at",
        }
    }

    /// What the hand-over calls it.
    pub fn complaint(self) -> &'static str {
        match self {
            Self::Params => "its parameters do not have their SHA-256 digest",
            Self::Source => "the image does not have its SHA-256 digest",
            Self::CopyList => "the copy list does not have its SHA-256 digest",
            Self::PageTable => "the page tables do not have their SHA-256 digest",
        }
    }
}

/// A machine without Xen.
const NATIVE: Machine = Machine {
    boot: Boot::Native,
    ..DOM0
};
/// A machine without Xen that was booted by UEFI.
const UEFI: Machine = Machine {
    firmware: Firmware::Uefi,
    ..NATIVE
};
/// A dom0 that has all the memory that Xen can give it.
const GREEDY: Machine = Machine {
    boot: dom0("", ""),
    ..DOM0
};
/// A dom0 with memory above 4 GiB.
const LARGE: Machine = Machine {
    memory_mib: 6144,
    boot: dom0("5G,max:5G", ""),
    ..DOM0
};
/// A dom0 on a processor of 2008.
const OLD: Machine = Machine {
    cpu: Cow::Borrowed("Nehalem"),
    ..DOM0
};
/// A dom0 of type PVH. The processor is one that Xen can virtualise in an emulator.
const PVH: Machine = Machine {
    cpu: Cow::Borrowed("EPYC,+svm,+npt,-monitor,-rdtscp"),
    boot: dom0("1G,max:1G", "dom0=pvh cpuidle=0"),
    qemu: Cow::Borrowed(&[
        Cow::Borrowed("-machine"),
        Cow::Borrowed("q35"),
        Cow::Borrowed("-device"),
        Cow::Borrowed("amd-iommu"),
    ]),
    ..DOM0
};

const fn dom0(dom0_mem: &'static str, options: &'static str) -> Boot {
    Boot::Dom0 {
        dom0_mem: Cow::Borrowed(dom0_mem),
        options: Cow::Borrowed(options),
    }
}

/// What every hand-over says that succeeds.
const HANDED_OVER: &[&str] = &[
    "rkexec: page tables verified",
    "rkexec: image verified",
    "rkexec: entering 0x",
];

/// A row without content: a dom0 that boots a next kernel.
const BOOTS: Case = Case {
    name: "",
    machine: DOM0,
    scenario: "boot",
    end: End::NextKernel,
    says: HANDED_OVER,
    expects_trouble: &[],
    needs: Needs::Nothing,
    seconds: 60,
};

/// A row without content: a bare machine that boots a next kernel.
const NATIVE_BOOTS: Case = Case {
    machine: NATIVE,
    says: &["rkexec: kexec images get a map of all memory"],
    seconds: 35,
    ..BOOTS
};

/// A row without content: a bare machine on which kexec-tools boots the next kernel.
const TOOLS: Case = Case {
    scenario: "tools syscall=file",
    ..NATIVE_BOOTS
};

/// For kexec-tools with `kexec_load`: it leaves the first KiB out of the next kernel's memory.
const TOOLS_LOAD: &str = "tools syscall=load next=vmtest.first=1024";

/// A row without content: a bare machine that crashes into the next kernel.
const CRASHES: Case = Case {
    machine: Machine {
        kernel: Cow::Borrowed("crashkernel=256M"),
        ..NATIVE
    },
    scenario: "tools syscall=file kind=crash",
    expects_trouble: &[
        "Kernel panic - not syncing: sysrq triggered crash",
        "Call Trace",
    ],
    ..NATIVE_BOOTS
};

/// A bare machine with this processor.
const fn native(cpu: &'static str) -> Machine {
    Machine {
        cpu: Cow::Borrowed(cpu),
        ..NATIVE
    }
}

/// A bare machine that has a crash area, with this processor.
const fn crashing(cpu: &'static str) -> Machine {
    Machine {
        cpu: Cow::Borrowed(cpu),
        kernel: Cow::Borrowed("crashkernel=256M"),
        ..NATIVE
    }
}

/// A row without content: a dom0 whose image is changed before it is started.
const CAUGHT: Case = Case {
    scenario: "boot call=file pause=1",
    says: &["rkexec: resetting the machine"],
    expects_trouble: &["hand-over failed: .* SHA-256"],
    seconds: 35,
    ..BOOTS
};

/// A row without content: Linux's own tests (tools/testing/selftests/kexec), which boot nothing.
const SELFTESTS: Case = Case {
    scenario: "selftests",
    end: End::FirstKernel,
    says: &[],
    needs: Needs::Selftests,
    seconds: 60,
    ..BOOTS
};

/// The one that `vm run` tells of.
pub fn story() -> Case {
    Case {
        name: "the story",
        scenario: "boot call=file blob=38",
        ..BOOTS
    }
}

/// What is measured, and passes whatever comes out.
pub fn measures() -> Vec<Case> {
    vec![Case {
        name: "the time of machine_kexec_prepare",
        scenario: "prepare-time",
        end: End::FirstKernel,
        says: &[],
        ..NATIVE_BOOTS
    }]
}

/// All tests.
pub fn all() -> Vec<Case> {
    vec![
        Case {
            name: "bare metal: kexec_file_load boots a kernel",
            scenario: "boot call=file",
            ..NATIVE_BOOTS
        },
        Case {
            name: "bare metal: kexec_load boots a kernel",
            scenario: "boot call=load",
            ..NATIVE_BOOTS
        },
        Case {
            name: "bare metal: kexec -s boots a kernel",
            ..TOOLS
        },
        Case {
            name: "bare metal: kexec -c boots a kernel",
            scenario: TOOLS_LOAD,
            ..TOOLS
        },
        Case {
            name: "bare metal: kexec -s -p, and the crash kernel reads the dump",
            ..CRASHES
        },
        Case {
            name: "bare metal: kexec -c -p, and the crash kernel reads the dump",
            scenario: "tools syscall=load kind=crash",
            ..CRASHES
        },
        Case {
            name: "bare metal, 4 levels: kexec -s boots a kernel",
            machine: native("max,-la57"),
            ..TOOLS
        },
        Case {
            name: "bare metal, 4 levels: kexec -c boots a kernel",
            machine: native("max,-la57"),
            scenario: TOOLS_LOAD,
            ..TOOLS
        },
        Case {
            name: "bare metal, 4 levels: kexec -s -p, and the crash kernel reads the dump",
            machine: crashing("max,-la57"),
            ..CRASHES
        },
        Case {
            name: "bare metal, no 1 GiB pages: kexec -s boots a kernel",
            machine: native("max,-pdpe1gb"),
            ..TOOLS
        },
        Case {
            name: "bare metal, no 1 GiB pages: kexec -c boots a kernel",
            machine: native("max,-pdpe1gb"),
            scenario: TOOLS_LOAD,
            ..TOOLS
        },
        Case {
            name: "bare metal, no 1 GiB pages: kexec -s -p, and the crash kernel reads the dump",
            machine: crashing("max,-pdpe1gb"),
            ..CRASHES
        },
        Case {
            name: "bare metal, 4 levels, no 1 GiB pages: kexec -s boots a kernel",
            machine: native("max,-la57,-pdpe1gb"),
            ..TOOLS
        },
        Case {
            name: "bare metal, nogbpages: kexec -s boots a kernel",
            machine: Machine { kernel: Cow::Borrowed("nogbpages"), memory_mib: 4096, ..NATIVE },
            says: &["without pages of 1 GiB"],
            ..TOOLS
        },
        Case {
            name: "bare metal, from 5 levels to 4: kexec -s boots a kernel",
            scenario: "tools syscall=file next=no5lvl",
            ..TOOLS
        },
        Case {
            name: "bare metal, from 5 levels to 4: kexec -c boots a kernel",
            scenario: "tools syscall=load next=vmtest.first=1024+no5lvl",
            ..TOOLS
        },
        Case {
            name: "bare metal, from 4 levels to 5: kexec -s boots a kernel",
            machine: Machine { kernel: Cow::Borrowed("no5lvl"), ..NATIVE },
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
            scenario: TOOLS_LOAD,
            ..TOOLS
        },
        Case {
            name: "UEFI: kexec -s -p, and the crash kernel reads the dump",
            machine: Machine { kernel: Cow::Borrowed("crashkernel=256M"), ..UEFI },
            ..CRASHES
        },
        Case {
            name: "64 GiB: kexec -s boots a kernel",
            machine: Machine { memory_mib: 64 << 10, ..NATIVE },
            seconds: 60,
            ..TOOLS
        },
        Case {
            name: "256 GiB: kexec -s boots a kernel",
            machine: Machine { memory_mib: 256 << 10, ..NATIVE },
            seconds: 90,
            ..TOOLS
        },
        Case {
            name: "bare metal: the module goes, and its image is entered",
            scenario: "tools syscall=file gone=exec",
            ..TOOLS
        },
        Case {
            name: "bare metal: the module goes, the kernel unloads its image and loads another",
            scenario: "tools syscall=load gone=unload next=vmtest.first=1024",
            ..TOOLS
        },
        Case {
            name: "bare metal: three kernels in a row, each from another processor",
            machine: Machine { cpus: 3, ..NATIVE },
            scenario: "tools syscall=file rounds=3",
            end: End::Kernels(4),
            seconds: 90,
            ..TOOLS
        },
        Case {
            name: "bare metal: the tests' own image for kexec_load boots (a test of the tests)",
            machine: NATIVE,
            scenario: "boot call=load without=module",
            says: &[],
            ..BOOTS
        },
        Case {
            name: "dom0 of type PVH: the module says why it refuses",
            machine: PVH,
            scenario: "refuse",
            end: End::FirstKernel,
            says: &["rkexec: not loaded: .*PVH"],
            expects_trouble: &["rkexec: not loaded: .*PVH"],
            seconds: 45,
            ..BOOTS
        },
        Case {
            name: "PV guest: the module says why it refuses",
            scenario: "guest",
            says: &["rkexec: not loaded: .*PV guest"],
            expects_trouble: &["rkexec: not loaded: .*PV guest"],
            needs: Needs::XenTools,
            seconds: 80,
            ..BOOTS
        },
        Case {
            name: "dom0: kexec_file_load boots a kernel, 40 MB",
            scenario: "boot call=file blob=38",
            ..BOOTS
        },
        Case {
            name: "dom0: kexec_load boots a kernel, 40 MB",
            scenario: "boot call=load blob=38",
            ..BOOTS
        },
        Case {
            name: "dom0 with all memory: kexec_file_load boots a kernel, 40 MB",
            machine: GREEDY,
            scenario: "boot call=file blob=38",
            ..BOOTS
        },
        Case {
            name: "dom0 with all memory: kexec_load boots a kernel, 40 MB",
            machine: GREEDY,
            scenario: "boot call=load blob=38",
            ..BOOTS
        },
        Case {
            name: "dom0: kexec_file_load boots a kernel, 200 MB",
            scenario: "boot call=file blob=198",
            seconds: 90,
            ..BOOTS
        },
        Case {
            name: "dom0 with all memory: kexec_file_load boots a kernel, 200 MB",
            machine: GREEDY,
            scenario: "boot call=file blob=198",
            seconds: 90,
            ..BOOTS
        },
        Case {
            name: "dom0: kexec_load to where its own memory is, 200 MB",
            scenario: "boot call=load dest=dom0 blob=198",
            seconds: 90,
            ..BOOTS
        },
        Case {
            name: "dom0: kexec_load to Xen's free heap",
            scenario: "boot call=load dest=xen-heap blob=38",
            ..BOOTS
        },
        Case {
            name: "dom0: kexec_load over dom0's own kernel",
            scenario: "boot call=load dest=dom0-kernel blob=38",
            ..BOOTS
        },
        Case {
            name: "dom0: kexec_load over Xen",
            scenario: "boot call=load dest=xen blob=38",
            ..BOOTS
        },
        Case {
            name: "dom0: an image in pages without neighbours, with a copy list of many pages",
            scenario: "boot call=file scatter=200 blob=38",
            says: &[r"copy list of \d\d+ pages", "rkexec: image verified", "rkexec: entering 0x"],
            ..BOOTS
        },
        Case {
            name: "an old processor, without SHA-NI and 1 GiB pages: kexec_file_load boots a kernel",
            machine: OLD,
            scenario: "boot call=file blob=38",
            seconds: 90,
            ..BOOTS
        },
        Case {
            name: "6 GiB: kexec_file_load boots a kernel",
            machine: LARGE,
            scenario: "boot call=file blob=38",
            ..BOOTS
        },
        Case {
            name: "6 GiB: kexec_load above 4 GiB",
            machine: LARGE,
            scenario: "boot call=load dest=high blob=38",
            ..BOOTS
        },
        Case {
            name: "dom0: loaded, replaced, unloaded, gone with the module, loaded again and booted",
            scenario: "lifecycle",
            says: &[
                "rkexec: not loaded: an image is loaded that this module has not prepared",
                "rkexec: the loaded image goes with the module",
                "rkexec: image verified",
            ],
            expects_trouble: &["rkexec: not loaded: an image is loaded"],
            seconds: 80,
            ..BOOTS
        },
        Case {
            name: "dom0: bad input is refused, and the image loaded before it boots",
            scenario: "bad-input",
            says: &[
                "rkexec: image not loaded: .* is not in the machine's RAM: there is none at 0xa0000",
                "rkexec: image not loaded: the data of segment 1 cannot be read",
                "rkexec: image not loaded: not enough memory",
                "rkexec: image verified",
            ],
            expects_trouble: &["rkexec: image not loaded: "],
            seconds: 80,
            ..BOOTS
        },
        Case {
            name: "dom0: kexec-client and kexec-tools load, unload and boot",
            scenario: "clients",
            expects_trouble: &["rkexec: image not loaded: .*0xa0000"],
            seconds: 80,
            ..BOOTS
        },
        Case {
            name: "dom0: the probe finds exactly the map that the module says",
            scenario: "probe",
            end: End::Probe(Maker::Module),
            seconds: 35,
            ..BOOTS
        },
        Case {
            name: "bare metal: the probe finds exactly the map that the module says",
            machine: NATIVE,
            scenario: "probe",
            end: End::Probe(Maker::Module),
            says: &[],
            seconds: 20,
            ..BOOTS
        },
        Case {
            name: "UEFI: the probe finds exactly the map that the module says",
            machine: UEFI,
            scenario: "probe",
            end: End::Probe(Maker::Module),
            says: &[],
            ..NATIVE_BOOTS
        },
        Case {
            name: "UEFI, stock kernel: the probe finds holes mapped",
            machine: UEFI,
            scenario: "probe without=module",
            end: End::Probe(Maker::Stock),
            says: &[],
            ..NATIVE_BOOTS
        },
        Case {
            name: "bare metal, 4 GiB, 4 levels: the probe finds exactly the map that the module says",
            machine: Machine { memory_mib: 4096, ..native("max,-la57") },
            scenario: "probe",
            end: End::Probe(Maker::Module),
            says: &[],
            ..NATIVE_BOOTS
        },
        Case {
            name: "bare metal, stock kernel: the probe finds holes mapped",
            machine: NATIVE,
            scenario: "probe without=module",
            end: End::Probe(Maker::Stock),
            says: &[],
            seconds: 20,
            ..BOOTS
        },
        Case {
            name: "bare metal: Linux's own tests of kexec say what they say without the module",
            machine: NATIVE,
            ..SELFTESTS
        },
        Case {
            name: "dom0: Linux's own tests of kexec say what they say without the module",
            ..SELFTESTS
        },
        Case {
            name: "dom0: the hand-over finds a changed page of the image",
            end: End::Reset(Target::Source),
            ..CAUGHT
        },
        Case {
            name: "dom0: the hand-over finds a changed parameter",
            end: End::Reset(Target::Params),
            ..CAUGHT
        },
        Case {
            name: "dom0: the hand-over finds a changed copy list",
            end: End::Reset(Target::CopyList),
            ..CAUGHT
        },
        Case {
            name: "dom0: the hand-over finds a changed page table",
            end: End::Reset(Target::PageTable),
            ..CAUGHT
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use regex::Regex;

    use super::*;

    #[test]
    fn every_test_has_a_name_of_its_own_and_patterns_that_work() {
        let mut names = HashSet::new();
        for case in all() {
            assert!(
                !case.name.is_empty() && names.insert(case.name),
                "{:?}",
                case.name
            );
            for pattern in case.says.iter().chain(case.expects_trouble) {
                Regex::new(pattern).unwrap();
            }
        }
    }

    #[test]
    fn the_labels_fit_the_modules_log() {
        let line = "rkexec: hand-over at ma:0x1000, 8 page tables at ma:0x2000, \
                    copy list of 3 pages at ma:0x3000, first source page ma:0x4000";
        for (target, address) in [
            (Target::Params, "0x1000"),
            (Target::PageTable, "0x2000"),
            (Target::CopyList, "0x3000"),
            (Target::Source, "0x4000"),
        ] {
            let pattern = Regex::new(&format!(r"{} ma:(0x[0-9a-f]+)", target.label())).unwrap();
            assert_eq!(&pattern.captures(line).unwrap()[1], address);
        }
    }
}
