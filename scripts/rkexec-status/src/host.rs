//! What the kernel runs on.

use serde::Serialize;

use crate::root::Root;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    BareMetal,
    Dom0,
    /// Xen offers it no kexec.
    PvhDom0,
    /// A guest of Xen's.
    Guest,
}

impl Kind {
    pub fn is_dom0(self) -> bool {
        matches!(self, Self::Dom0 | Self::PvhDom0)
    }
}

#[derive(Debug, Serialize)]
pub struct Host {
    pub kind: Kind,
    /// The version of Xen.
    pub xen: Option<String>,
    /// Its kexec interfaces, as the module has found them. Only root sees it.
    pub interfaces: Option<Vec<String>>,
    /// The one that is used.
    pub interface: Option<String>,
}

impl Host {
    pub fn find(root: &Root) -> Self {
        let is_xen = root.text("sys/hypervisor/type").as_deref() == Some("xen");
        if !is_xen {
            return Self {
                kind: Kind::BareMetal,
                xen: None,
                interfaces: None,
                interface: None,
            };
        }
        let found = root.text("sys/kernel/debug/rkexec/xen").unwrap_or_default();
        let field = |name: &str| found.lines().find_map(|line| line.strip_prefix(name));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Self {
            kind: kind(root),
            xen: xen_version(root),
            interfaces: field("interfaces:").map(words),
            interface: field("used:").map(|text| text.trim().to_owned()),
        }
    }
}

/// The features that Xen has for this domain are one hexadecimal number.
fn kind(root: &Root) -> Kind {
    /// A bit of those (`xen/include/public/features.h`).
    const XENFEAT_DOM0: u32 = 11;

    let features = root.text("sys/hypervisor/properties/features");
    let features = features.and_then(|text| u128::from_str_radix(&text, 16).ok());
    let is_dom0 = features.is_some_and(|it| (it >> XENFEAT_DOM0) & 1 == 1)
        || (root.text("proc/xen/capabilities")).is_some_and(|it| it.contains("control_d"));
    let is_pv = root.text("sys/hypervisor/guest_type").as_deref() == Some("PV");
    match (is_dom0, is_pv) {
        (false, _) => Kind::Guest,
        (true, true) => Kind::Dom0,
        (true, false) => Kind::PvhDom0,
    }
}

fn xen_version(root: &Root) -> Option<String> {
    let part = |name| root.text(&format!("sys/hypervisor/version/{name}"));
    let extra = part("extra").unwrap_or_default();
    Some(format!("{}.{}{extra}", part("major")?, part("minor")?))
}
