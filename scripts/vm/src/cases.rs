//! The tests: one row each, in tables by what they are about ([`native`], [`dom0`], [`crash`],
//! [`probe`], [`xen_versions`], [`long_map`]). Here is what a row is made of, and the rows that others are made
//! from.

mod crash;
mod dom0;
mod dump;
mod long_map;
mod native;
mod probe;
mod slot;
mod xen_versions;

pub use xen_versions::{cycle, Abi, Call};

use std::borrow::Cow;
use std::path::Path;

use crate::machine::{Boot, Firmware, Machine, DOM0};
use crate::pieces::Piece;
use crate::probe::Maker;
use crate::xen_build::XenBuild;

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

impl Case {
    /// The kexec interface of Xen that it is about, if it is about one.
    pub fn abi(&self) -> Option<Abi> {
        let mut words = self.scenario.split(' ');
        match words.find_map(|it| it.strip_prefix("abi="))? {
            "v1" => Some(Abi::V1),
            _ => Some(Abi::V2),
        }
    }

    /// All that it needs that may not be there.
    pub fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<_> = self.machine.xen().map(Piece::Xen).into_iter().collect();
        if self.machine.firmware == Firmware::Uefi {
            pieces.push(Piece::Ovmf);
            pieces.extend(self.machine.xen().map(Piece::XenEfi));
        }
        if self.machine.holes.is_some() {
            pieces.push(Piece::Grub);
        }
        if let End::Dump(_) = self.end {
            pieces.push(Piece::Makedumpfile);
        }
        match self.needs {
            Needs::Nothing => {}
            Needs::XenTools => pieces.push(Piece::XenUtils),
            Needs::Selftests => pieces.push(Piece::Selftests),
        }
        pieces
    }
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
    /// It cannot start the next one, and restarts the machine.
    Restart,
    /// The hand-over finds what was changed behind its back, says so, and resets the machine.
    Reset(Target),
    /// Nor has a crash kernel, whose dump on the disk the tools can read. The dump has all that it has
    /// when the first kernel does that other thing.
    Dump(&'static str),
    /// It crashes, and a crash kernel that reports nothing saves what it wants and restarts the machine.
    Saved,
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

const fn dom0_with(dom0_mem: &'static str, options: &'static str) -> Boot {
    Boot::Dom0 {
        xen: XenBuild::Main,
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

/// A bare machine with this processor.
const fn with_cpu(cpu: &'static str) -> Machine {
    Machine {
        cpu: Cow::Borrowed(cpu),
        ..NATIVE
    }
}

/// A row without content: Linux's own tests (tools/testing/selftests/kexec), which boot nothing.
const SELFTESTS: Case = Case {
    scenario: "selftests",
    end: End::FirstKernel,
    says: &[],
    needs: Needs::Selftests,
    seconds: 60,
    ..BOOTS
};

/// A row without content: loads in a dom0 that only their time is wanted of.
const LOADS: Case = Case {
    machine: Machine {
        memory_mib: 3072,
        boot: dom0_with("1500M,max:1500M", ""),
        ..DOM0
    },
    end: End::FirstKernel,
    says: &[],
    seconds: 120,
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

/// The one with Debian's kdump-tools, on a machine with this disk.
pub fn kdump(disk: &Path) -> Case {
    dump::kdump_tools(disk)
}

/// What is measured, and passes whatever comes out.
pub fn measures() -> Vec<Case> {
    vec![
        Case {
            name: "the time of machine_kexec_prepare",
            scenario: "prepare-time",
            end: End::FirstKernel,
            says: &[],
            ..NATIVE_BOOTS
        },
        Case {
            name: "dom0: the time of whole loads, 40 MB",
            scenario: "load-time blob=38",
            ..LOADS
        },
        Case {
            name: "dom0: the time of whole loads, 200 MB",
            scenario: "load-time blob=198",
            seconds: 600,
            ..LOADS
        },
        Case {
            name: "dom0 with 1 of 2 GiB: whole loads, 200 MB, kexec-tools to its own place",
            machine: DOM0,
            scenario: "load-time blob=198 place=own",
            seconds: 300,
            ..LOADS
        },
    ]
}

/// All tests.
pub fn all() -> Vec<Case> {
    let tables = [
        native::all(),
        dom0::all(),
        dump::all(),
        slot::all(),
        crash::all(),
        xen_versions::all(),
        long_map::all(),
        probe::all(),
    ];
    tables.into_iter().flatten().collect()
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
    fn a_row_needs_what_its_machine_and_its_end_are_made_of() {
        let needing = |piece: Piece| {
            let rows = all()
                .into_iter()
                .filter(|row| row.pieces().contains(&piece));
            rows.map(|row| row.name).collect::<Vec<_>>()
        };
        let all_have = |piece, start: &str| {
            let rows = needing(piece);
            assert!(!rows.is_empty(), "{piece:?}");
            for name in rows {
                assert!(name.starts_with(start), "{piece:?}: {name}");
            }
        };
        all_have(Piece::Makedumpfile, "dom0: makedumpfile");
        all_have(Piece::XenUtils, "PV guest");
        all_have(Piece::Xen(XenBuild::Sid), "Xen of sid");
        let (with_grub, with_uefi) = (needing(Piece::Grub), needing(Piece::Ovmf));
        assert!(with_grub.len() < with_uefi.len());
        assert!(with_grub.iter().all(|name| with_uefi.contains(name)));
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
