//! What is wrong, or good to know, and what to do about it.

use rkexec::xen_abi::Version;
use serde::Serialize;

use crate::clients::Door;
use crate::facts::Facts;
use crate::host::Kind;
use crate::images::Keeper;
use crate::module::State;
use crate::remedy;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    pub what: String,
    /// In the words of the README.
    pub remedy: Option<String>,
}

impl From<String> for Trouble {
    fn from(what: String) -> Self {
        let remedy = remedy::of(&what);
        Self { what, remedy }
    }
}

/// For which the exit status is 1.
pub fn problems(facts: &Facts) -> Vec<Trouble> {
    let module = of_module(facts);
    let is_loaded = module.is_none();
    let crash = || no_crash_image(facts).filter(|_| is_loaded);
    let door = (facts.clients.door == Some(Door::Shut)).then(|| {
        "the door for programs is shut: privcmd_ioctl() is not replaced, and kexec-tools calls Xen itself".to_owned()
    });
    [module, crash(), door]
        .into_iter()
        .flatten()
        .map(Trouble::from)
        .collect()
}

/// For which it is not.
pub fn notes(facts: &Facts) -> Vec<Trouble> {
    let (module, clients) = (&facts.module, &facts.clients);
    let other_version = module.version.as_ref().and_then(|loaded| {
        let mut packages = module.packages.iter();
        let (name, version) = packages.find(|(_, version)| upstream(version) != loaded)?;
        Some(format!(
            "another version is loaded ({loaded}) than is installed ({name} {version})"
        ))
    });
    let load_disabled = clients
        .load_disabled
        .then(|| "no image can be loaded any more: kernel.kexec_load_disabled is 1".to_owned());
    [other_version, load_disabled, xen_may_crash(facts)]
        .into_iter()
        .flatten()
        .map(Trouble::from)
        .collect()
}

/// Why the module is not at work.
pub fn of_module(facts: &Facts) -> Option<String> {
    let kernel = &facts.kernel;
    let reason = facts.module.reason.as_deref().unwrap_or_default();
    Some(match facts.module.state {
        State::Loaded => return None,
        State::NoModule => {
            format!("there is no module rkexec for the kernel {kernel}: {reason}")
        }
        State::Refused => format!("rkexec was refused: {reason}"),
        State::NotLoaded => "rkexec is not loaded".to_owned(),
        State::ComingIn => "a transition is under way: some tasks do not use rkexec yet".to_owned(),
        State::GoingOut => "a transition is under way: some tasks still use rkexec".to_owned(),
        State::NotInUse => "rkexec is there, but its functions are not in use".to_owned(),
    })
}

/// kdump-tools was to load one.
fn no_crash_image(facts: &Facts) -> Option<String> {
    let area = &facts.crash_area;
    if !facts.clients.kdump_tools || facts.images.crash.loaded {
        return None;
    }
    Some(match (area.bytes, area.keeper) {
        (Some(0), Keeper::Xen) => "crash images cannot be loaded: Xen has no crash area".to_owned(),
        (Some(0), Keeper::Linux) => {
            "crash images cannot be loaded: Linux has no crash area".to_owned()
        }
        _ => "no crash image is loaded, and kdump-tools is to load one".to_owned(),
    })
}

/// What the module warns of when it is loaded; the log may not have that any more.
fn xen_may_crash(facts: &Facts) -> Option<String> {
    let xen = facts
        .host
        .xen
        .as_ref()
        .filter(|_| facts.host.kind == Kind::Dom0)?;
    let (major, rest) = xen.split_once('.')?;
    let end = rest.find(|digit: char| !digit.is_ascii_digit());
    let (minor, extra) = rest.split_at(end.unwrap_or(rest.len()));
    Version::new(major.parse().ok()?, minor.parse().ok()?)
        .may_crash_at_exec(extra.as_bytes())
        .then(|| format!("Xen {xen} may crash instead of starting an image"))
}

/// A version of Debian's, without the part that is Debian's own.
fn upstream(version: &str) -> &str {
    version
        .rsplit_once('-')
        .map_or(version, |(upstream, _)| upstream)
}
