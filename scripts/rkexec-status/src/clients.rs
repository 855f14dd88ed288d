//! The programs that load and start images, and what they need.

use serde::Serialize;

use crate::host::{Host, Kind};
use crate::module::{Module, State};
use crate::root::Root;

/// The way by which programs in a dom0 call Xen for kexec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// The kernel serves them.
    Open,
    /// The module has left it to Xen: its parameter `privcmd=0`.
    LeftToXen,
    /// Xen's driver for hypercalls of programs is not loaded.
    NoDriver,
    /// Something else holds it.
    Shut,
}

#[derive(Debug, Serialize)]
pub struct Clients {
    /// `None`: there is none, on bare metal or without the module.
    pub door: Option<Door>,
    /// kdump-tools is set up to load a crash image at boot.
    pub kdump_tools: bool,
    /// kexec-tools is set up to load a kernel at boot, or before each restart.
    pub load_kexec: bool,
    /// How far the kernel is locked down: `integrity` or `confidentiality`.
    pub lockdown: Option<String>,
    /// No image can be loaded any more (`kernel.kexec_load_disabled`).
    pub load_disabled: bool,
}

impl Clients {
    pub fn find(root: &Root, host: &Host, module: &Module) -> Self {
        let has_door = host.kind == Kind::Dom0 && module.state == State::Loaded;
        Self {
            door: has_door.then(|| door(root)),
            kdump_tools: has_kdump_tools(root),
            load_kexec: has_load_kexec(root),
            lockdown: lockdown(root),
            load_disabled: root.is_set("proc/sys/kernel/kexec_load_disabled"),
        }
    }

    /// Those that depend on rkexec in a dom0, by what they are set up to do.
    pub fn dependent(&self) -> Vec<&'static str> {
        let kdump = self.kdump_tools.then_some("kdump-tools (USE_KDUMP=1)");
        let kexec = self.load_kexec.then_some("kexec-tools (LOAD_KEXEC=true)");
        kdump.into_iter().chain(kexec).collect()
    }
}

fn door(root: &Root) -> Door {
    if !root.is_set("sys/module/rkexec/parameters/privcmd") {
        Door::LeftToXen
    } else if root.is_set("sys/kernel/livepatch/rkexec/xen_privcmd/patched") {
        Door::Open
    } else if root.exists("sys/module/xen_privcmd") {
        Door::Shut
    } else {
        Door::NoDriver
    }
}

/// Installed (what is set up stays when a package is removed), and not switched off.
fn has_kdump_tools(root: &Root) -> bool {
    root.exists("usr/sbin/kdump-config")
        && setting(root, "etc/default/kdump-tools", "USE_KDUMP")
            .is_some_and(|value| !matches!(value.as_str(), "" | "0"))
}

/// Not in the kexec-tools of trixie, but in those before.
fn has_load_kexec(root: &Root) -> bool {
    root.exists("etc/init.d/kexec-load")
        && setting(root, "etc/default/kexec", "LOAD_KEXEC").as_deref() == Some("true")
}

/// The last assignment in a file that a shell reads.
fn setting(root: &Root, path: &str, name: &str) -> Option<String> {
    let text = root.text(path)?;
    let mut values = text.lines().rev().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        line.strip_prefix(name)?.strip_prefix('=')
    });
    let value = values.next()?.split(['#', ';']).next()?.trim();
    Some(value.trim_matches(['"', '\'']).to_owned())
}

/// `none [integrity] confidentiality`.
fn lockdown(root: &Root) -> Option<String> {
    let text = root.text("sys/kernel/security/lockdown")?;
    let (level, _) = text.split_once('[')?.1.split_once(']')?;
    (level != "none").then(|| level.to_owned())
}
