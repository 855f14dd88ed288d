//! The images that are loaded, and the memory that is kept for a crash.

use serde::Serialize;

use crate::host::{Host, Kind};
use crate::log::{Extent, Fate, Log};
use crate::module::{Module, State};
use crate::root::Root;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    pub loaded: bool,
    /// Whether the module has loaded it, where that can be known.
    pub by_rkexec: Option<bool>,
    /// Of its segments, rounded down, if the log says so.
    pub mib: Option<u64>,
}

#[derive(Debug, Serialize)]
pub struct Images {
    pub default: Image,
    pub crash: Image,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keeper {
    Xen,
    Linux,
}

#[derive(Debug, Serialize)]
pub struct CrashArea {
    /// Whose option `crashkernel=` it is.
    pub keeper: Keeper,
    pub bytes: Option<u64>,
    /// What the crash image's segments leave of it, by what the log says of that.
    pub free_bytes: Option<u64>,
}

impl Images {
    pub fn find(root: &Root, host: &Host, module: &Module, log: &Log) -> Self {
        let image = |name, is_crash| {
            let loaded = root.is_set(&format!("sys/kernel/{name}"));
            let last = log.loaded().into_iter().rfind(|it| it.is_crash == is_crash);
            let by_rkexec = by_rkexec(host.kind, module.state, last.is_some(), log);
            let by_rkexec = by_rkexec.filter(|_| loaded);
            let mib = last.filter(|_| by_rkexec == Some(true)).map(|it| it.mib);
            Image {
                loaded,
                by_rkexec,
                mib,
            }
        };
        Self {
            default: image("kexec_loaded", false),
            crash: image("kexec_crash_loaded", true),
        }
    }
}

/// Whether an image that is loaded is the module's; `has_line` if the module has said so, since it is there.
fn by_rkexec(host: Kind, module: State, has_line: bool, log: &Log) -> Option<bool> {
    let is_in_transition = matches!(module, State::ComingIn | State::GoingOut);
    match (host, module) {
        // There it does not come while another one's is loaded, nobody else can load one, and it takes its own along.
        (Kind::Dom0, State::Loaded) => Some(true),
        (Kind::Dom0 | Kind::PvhDom0 | Kind::Guest, _) => (!is_in_transition).then_some(false),
        (Kind::BareMetal, State::Loaded) if has_line => Some(true),
        // Images come before the module, and stay when it goes.
        (Kind::BareMetal, State::Loaded) => (log.extent() == Extent::Whole).then_some(false),
        (Kind::BareMetal, _) => {
            let is_never_there = log.extent() == Extent::Whole && log.fate() != Fate::TakenOut;
            (is_never_there && !is_in_transition).then_some(false)
        }
    }
}

impl CrashArea {
    pub fn find(root: &Root, host: &Host, module: &Module, images: &Images) -> Self {
        // Only the module shows Linux what Xen keeps.
        let is_shown = host.kind == Kind::BareMetal || module.state == State::Loaded;
        let bytes = root
            .number("sys/kernel/kexec_crash_size")
            .filter(|_| is_shown);
        let used = match (images.crash.loaded, images.crash.mib) {
            (false, _) => Some(0),
            (true, mib) => mib.map(|mib| mib << 20),
        };
        Self {
            keeper: match host.kind {
                Kind::Dom0 | Kind::PvhDom0 => Keeper::Xen,
                Kind::BareMetal | Kind::Guest => Keeper::Linux,
            },
            bytes,
            free_bytes: bytes
                .zip(used)
                .map(|(bytes, used)| bytes.saturating_sub(used)),
        }
    }
}
