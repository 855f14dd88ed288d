//! The module: whether it is at work, and which kernels have one.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::log::{Fate, Log};
use crate::root::Root;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// At work.
    Loaded,
    /// Some tasks still use the kernel's own functions, and some no more.
    ComingIn,
    GoingOut,
    /// It is there, and its functions are not in use.
    NotInUse,
    /// It was to be loaded, and was not.
    Refused,
    NotLoaded,
    /// There is none for this kernel.
    NoModule,
}

#[derive(Debug, Serialize)]
pub struct Module {
    pub state: State,
    /// The line that says why it was refused, or why there is none.
    pub reason: Option<String>,
    /// Of the one that is loaded.
    pub version: Option<String>,
    /// What `modprobe` takes for this kernel.
    pub file: Option<String>,
    /// All kernels that have one.
    pub kernels: Vec<String>,
    /// It is loaded when the machine starts.
    pub wanted_at_boot: bool,
    /// Debian's packages of it, with their versions.
    pub packages: BTreeMap<String, String>,
}

impl Module {
    pub fn find(root: &Root, kernel: &str, log: &Log) -> Self {
        let kernels = root.names("lib/modules");
        let kernels: Vec<_> = (kernels.into_iter())
            .filter(|kernel| file(root, kernel).is_some())
            .collect();
        let file = file(root, kernel);
        let (state, reason) = match (at_work(root), &file) {
            (Some(state), _) => (state, None),
            (None, None) => (State::NoModule, Some(why_none(root, kernel).to_owned())),
            (None, Some(_)) => match log.fate() {
                Fate::Refused(line) => (State::Refused, Some(line)),
                _ => (State::NotLoaded, None),
            },
        };
        Self {
            state,
            reason,
            version: root.text("sys/module/rkexec/version"),
            file,
            kernels,
            wanted_at_boot: is_wanted_at_boot(root),
            packages: packages(root),
        }
    }
}

/// What the kernel says of one that is loaded. It has a state for the time in which its init runs.
fn at_work(root: &Root) -> Option<State> {
    if !root.exists("sys/module/rkexec") {
        return None;
    }
    let of_patch = |name| root.text(&format!("sys/kernel/livepatch/rkexec/{name}"));
    Some(
        match (
            of_patch("enabled").as_deref(),
            of_patch("transition").as_deref(),
        ) {
            (Some("1"), Some("0")) => State::Loaded,
            (Some("1"), _) => State::ComingIn,
            (Some(_), Some("1")) => State::GoingOut,
            _ if root.text("sys/module/rkexec/initstate").as_deref() == Some("coming") => {
                State::ComingIn
            }
            _ => State::NotInUse,
        },
    )
}

/// The file for a kernel, as depmod has found it: what is not in its list, or not there, `modprobe` does not find.
fn file(root: &Root, kernel: &str) -> Option<String> {
    let folder = format!("lib/modules/{kernel}");
    let list = root.text(&format!("{folder}/modules.dep"))?;
    let file = list.lines().find_map(|line| {
        let (file, _) = line.split_once(':')?;
        let (_, name) = file.rsplit_once('/')?;
        (name == "rkexec.ko" || name.starts_with("rkexec.ko.")).then(|| format!("{folder}/{file}"))
    })?;
    root.exists(&file).then(|| format!("/{file}"))
}

/// Why there is none for a kernel, in the order in which it has to be put right.
fn why_none(root: &Root, kernel: &str) -> &'static str {
    let config = root.text(&format!("boot/config-{kernel}"));
    if config.is_some_and(|it| !it.lines().any(|line| line == "CONFIG_RUST=y")) {
        "it is built without Rust"
    } else if !root.exists(&format!("lib/modules/{kernel}/build/Makefile")) {
        "its headers are not installed"
    } else {
        "none was built"
    }
}

/// As systemd-modules-load(8) has it.
fn is_wanted_at_boot(root: &Root) -> bool {
    let has_line = |path: &str| {
        let text = root.text(path).unwrap_or_default();
        text.lines().any(|line| line.trim() == "rkexec")
    };
    // A file stands for all of its name in the folders behind: an empty one takes a package's back.
    let mut files = BTreeMap::new();
    for folder in ["usr/lib", "usr/local/lib", "run", "etc"] {
        let folder = format!("{folder}/modules-load.d");
        for name in root.names(&folder) {
            let path = format!("{folder}/{name}");
            files.insert(name, path);
        }
    }
    let by_file = || {
        let mut files = files.iter();
        files.any(|(name, path)| name.ends_with(".conf") && has_line(path))
    };
    let by_command_line = || {
        let text = root.text("proc/cmdline").unwrap_or_default();
        text.split_ascii_whitespace().any(|word| {
            word.trim_start_matches("rd.")
                .strip_prefix("modules-load=")
                .or_else(|| word.trim_start_matches("rd.").strip_prefix("modules_load="))
                .is_some_and(|names| names.split(',').any(|name| name == "rkexec"))
        })
    };
    by_file() || has_line("etc/modules") || by_command_line()
}

/// Those that are installed, by dpkg's own list.
fn packages(root: &Root) -> BTreeMap<String, String> {
    let list = root.text("var/lib/dpkg/status").unwrap_or_default();
    let package = |entry: &str| {
        let field = |name: &str| {
            let line = entry.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        let name = field("Package:").filter(|name| name.split('-').next() == Some("rkexec"))?;
        let is_installed = field("Status:")?.ends_with(" installed");
        is_installed.then(|| Some((name, field("Version:")?)))?
    };
    list.split("\n\n").filter_map(package).collect()
}
