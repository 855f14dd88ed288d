//! The ways from one kernel into the next that are taken by turns.

use rkexec_protocol::choice::{Abi, Call};

use crate::assets::Files;
use crate::case::Case;
use crate::cases::cycle;
use crate::linux_build::LinuxBuild;
use crate::machine::{Firmware, Machine};
use crate::pieces::Piece;
use crate::xen_build::{has_v1, XenBuild};

/// What is under the kernel, and what it does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// A dom0 that boots the next kernel through this interface of Xen.
    Dom0(XenBuild, Abi),
    /// A dom0 that crashes.
    Dom0Crash(XenBuild),
    Bare,
    BareCrash,
}

/// What one cycle does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub linux: LinuxBuild,
    pub world: World,
    pub firmware: Firmware,
    pub call: Call,
}

/// What is there to be combined.
pub struct Parts {
    pub linux: Vec<LinuxBuild>,
    pub xen: Vec<XenBuild>,
    pub firmware: Vec<Firmware>,
    pub abi: Vec<Abi>,
    /// Whether machines without Xen belong to it.
    pub bare: bool,
}

/// What there may be.
const LINUX: [LinuxBuild; 2] = [LinuxBuild::Main, LinuxBuild::Second];
pub const XEN: [XenBuild; 4] = [
    XenBuild::Bullseye,
    XenBuild::Bookworm,
    XenBuild::Trixie,
    XenBuild::Sid,
];

impl World {
    /// The Xen, or that there is none; and whether the kernel crashes.
    pub fn about(self) -> (Option<XenBuild>, bool) {
        match self {
            Self::Dom0(xen, _) => (Some(xen), false),
            Self::Dom0Crash(xen) => (Some(xen), true),
            Self::Bare => (None, false),
            Self::BareCrash => (None, true),
        }
    }
}

impl Way {
    pub fn case(self) -> Case {
        let Self {
            linux,
            world,
            firmware,
            call,
        } = self;
        let case = match world {
            World::Dom0(xen, abi) => cycle::dom0(xen, firmware, abi, call),
            World::Dom0Crash(xen) => cycle::dom0_crash(xen, firmware, call),
            World::Bare => cycle::bare(firmware, call),
            World::BareCrash => cycle::bare_crash(firmware, call),
        };
        Case {
            machine: Machine {
                linux,
                ..case.machine
            },
            ..case
        }
    }

    /// All that it is but the system call: what the table has a line for.
    pub fn group(self) -> String {
        let (xen, crash) = self.world.about();
        let under = xen.map_or_else(|| "bare metal".to_owned(), |xen| format!("Xen of {xen}"));
        let kind = if crash { "crash" } else { "default" };
        let interface = match self.world {
            World::Dom0(_, abi) => format!(", {}", abi.name()),
            _ => String::new(),
        };
        let Self {
            linux, firmware, ..
        } = self;
        format!("{under}, {firmware}, {}, {kind}{interface}", linux.what())
    }

    pub fn title(self) -> String {
        format!("{}, {}", self.group(), self.call.name())
    }
}

impl Parts {
    /// What there is, with those that are `wanted` of Xen: the usual one alone is what the user has brought, and then it
    /// is about nothing else. What is not there is told in `missing`.
    pub fn of(files: &Files, wanted: &[XenBuild], missing: &mut Vec<String>) -> Self {
        let mut has = |what: &str, pieces: &[Piece]| {
            let needed = pieces.iter().try_for_each(|piece| files.need(*piece));
            if let Err(why) = &needed {
                missing.push(format!("{what}{why}"));
            }
            needed.is_ok()
        };
        let mut linux = LINUX.to_vec();
        linux.retain(|it| *it == LinuxBuild::Main || has("", &[Piece::Linux(*it)]));
        let mut xen = wanted.to_vec();
        xen.retain(|it| has("", &[Piece::Xen(*it)]));
        let mut pieces = vec![Piece::Ovmf];
        pieces.extend(xen.iter().map(|xen| Piece::XenEfi(*xen)));
        let mut firmware = vec![Firmware::Bios];
        if has("machines with UEFI: ", &pieces) {
            firmware.push(Firmware::Uefi);
        }
        let mut abi = vec![Abi::V2];
        let mut xens = xen.iter().filter_map(|build| files.xen(*build));
        match xens.all(|xen| has_v1(xen.version)) {
            true => abi.push(Abi::V1),
            false => missing.push("V1, which newer versions of Xen do not have".to_owned()),
        }
        Self {
            linux,
            xen,
            firmware,
            abi,
            bare: wanted != [XenBuild::Main],
        }
    }

    /// All ways there are, in the order of their turns.
    pub fn ways(&self) -> Vec<Way> {
        let interfaces = self.abi.iter().flat_map(|abi| {
            let xen = self.xen.iter();
            xen.map(|xen| World::Dom0(*xen, *abi))
        });
        let crashes = self.xen.iter().map(|xen| World::Dom0Crash(*xen));
        let bare = [World::Bare, World::BareCrash];
        let bare = bare.into_iter().take(if self.bare { 2 } else { 0 });
        let worlds: Vec<_> = interfaces.chain(crashes).chain(bare).collect();

        let mut ways = Vec::new();
        for call in [Call::File, Call::Load] {
            for linux in &self.linux {
                for firmware in &self.firmware {
                    ways.extend(worlds.iter().map(|world| Way {
                        linux: *linux,
                        world: *world,
                        firmware: *firmware,
                        call,
                    }));
                }
            }
        }
        ways
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_combination_is_there_once_and_has_a_title_of_its_own() {
        let parts = Parts {
            linux: LINUX.to_vec(),
            xen: XEN.to_vec(),
            firmware: vec![Firmware::Bios, Firmware::Uefi],
            abi: vec![Abi::V2, Abi::V1],
            bare: true,
        };
        let ways = parts.ways();
        // Two calls, two kernels, two kinds of firmware; each Xen by two interfaces and into a crash kernel,
        // and bare metal.
        assert_eq!(ways.len(), 2 * 2 * 2 * (4 * 3 + 2));
        let titles: HashSet<_> = ways.iter().map(|way| way.title()).collect();
        assert_eq!(titles.len(), ways.len());
        let parts = Parts {
            bare: false,
            ..parts
        };
        assert_eq!(parts.ways().len(), 2 * 2 * 2 * 4 * 3);
    }

    #[test]
    fn a_title_says_it_all() {
        let way = Way {
            linux: LinuxBuild::Second,
            world: World::Dom0(XenBuild::Bookworm, Abi::V1),
            firmware: Firmware::Uefi,
            call: Call::Load,
        };
        let title = "Xen of bookworm, UEFI, another kernel, default, V1, kexec_load";
        assert_eq!(way.title(), title);
        let way = Way {
            linux: LinuxBuild::Main,
            world: World::BareCrash,
            firmware: Firmware::Bios,
            call: Call::File,
        };
        assert_eq!(
            way.title(),
            "bare metal, BIOS, the usual kernel, crash, kexec_file_load"
        );
    }
}
