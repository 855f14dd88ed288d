//! A system that is a tree of files, and what the program says of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const KERNEL: &str = "7.3.4+deb13-amd64";
pub const FILE: &str = "lib/modules/7.3.4+deb13-amd64/updates/rkexec.ko";

/// A system.
pub struct System(TempDir);

/// What was said of it.
pub struct Said {
    pub status: i32,
    pub text: String,
    pub errors: String,
}

impl System {
    /// A machine with a module for its kernel, without anything else.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
            .file("proc/sys/kernel/osrelease", KERNEL)
            .file("proc/uptime", "300.00 500.00")
            .file("dev/kmsg", "")
            .file("sys/kernel/kexec_loaded", "0")
            .file("sys/kernel/kexec_crash_loaded", "0")
            .file("sys/kernel/kexec_crash_size", "0")
            .file(FILE, "")
            .file(
                "lib/modules/7.3.4+deb13-amd64/modules.dep",
                "updates/rkexec.ko:\n",
            )
    }

    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
        self
    }

    pub fn without(self, path: &str) -> Self {
        fs::remove_file(self.0.path().join(path)).unwrap();
        self
    }

    pub fn dom0(self) -> Self {
        self.file("sys/hypervisor/type", "xen")
            .file("sys/hypervisor/guest_type", "PV")
            .file("sys/hypervisor/properties/features", "00002ff7")
            .file("sys/hypervisor/version/major", "4")
            .file("sys/hypervisor/version/minor", "20")
            .file("sys/hypervisor/version/extra", ".5-pre")
    }

    /// The livepatch: `1`, `0` when it is at work.
    pub fn loaded(self, enabled: &str, transition: &str) -> Self {
        self.file("sys/module/rkexec/version", "0.1.0")
            .file("sys/module/rkexec/initstate", "live")
            .file("sys/module/rkexec/parameters/privcmd", "Y")
            .file("sys/kernel/livepatch/rkexec/enabled", enabled)
            .file("sys/kernel/livepatch/rkexec/transition", transition)
            .file("sys/kernel/livepatch/rkexec/xen_privcmd/patched", "1")
    }

    /// What the module shows in a dom0.
    pub fn forwarding(self) -> Self {
        self.dom0()
            .loaded("1", "0")
            .file(
                "sys/kernel/debug/rkexec/xen",
                "version: 4.20.5-pre\ninterfaces: V1 V2\nused: V2",
            )
            .file("sys/kernel/kexec_crash_size", "268435456")
    }

    pub fn log(self, lines: &[&str]) -> Self {
        let record =
            |(number, line): (usize, &&str)| format!("6,{number},{}0000000,-;{line}\n", number + 1);
        let text: String = lines.iter().enumerate().map(record).collect();
        self.file("dev/kmsg", text.trim_end())
    }

    pub fn kdump_tools(self) -> Self {
        self.file("usr/sbin/kdump-config", "").file(
            "etc/default/kdump-tools",
            "# USE_KDUMP=0\nUSE_KDUMP=0\nUSE_KDUMP=1 # on",
        )
    }

    pub fn run(&self, options: &[&str]) -> Said {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(env!("CARGO_BIN_EXE_rkexec-status"))
            .arg("--root")
            .arg::<&Path>(self.0.path())
            .args(options)
            .output()
            .unwrap();
        Said {
            status: status.code().unwrap(),
            text: String::from_utf8(stdout).unwrap(),
            errors: String::from_utf8(stderr).unwrap(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.run(&["--json"]).text).unwrap()
    }

    /// The status, and the line that is said of a start of the machine.
    pub fn boot(&self) -> (i32, String) {
        let said = self.run(&["--boot"]);
        let line = said.text + &said.errors;
        assert_eq!(line.lines().count(), 1, "{line}");
        (said.status, line)
    }
}

impl Said {
    /// What a row says, with the rows behind it that belong to it.
    pub fn row(&self, name: &str) -> String {
        let mut lines = self.text.lines().skip_while(|line| !line.starts_with(name));
        let first = lines
            .next()
            .unwrap_or_else(|| panic!("no {name}: {}", self.text));
        let more = lines.take_while(|line| line.starts_with(' '));
        let text: Vec<_> = std::iter::once(&first[name.len()..])
            .chain(more)
            .map(str::trim)
            .collect();
        text.join(" ")
    }
}
