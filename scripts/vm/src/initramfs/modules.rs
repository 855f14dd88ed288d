//! The kernel's modules in an initramfs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, Result};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use walkdir::WalkDir;

use super::tree::Tree;
use crate::command;
use crate::inputs::Inputs;

/// A module of the kernel's: its name, as its file has it, and the option that has it built.
pub struct KernelModule(pub &'static str, &'static str);

/// What a dom0 needs for its tests.
const MODULES: [KernelModule; 5] = [
    KernelModule("xen-privcmd", "CONFIG_XEN_PRIVCMD"),
    KernelModule("xenfs", "CONFIG_XENFS"),
    KernelModule("xen-evtchn", "CONFIG_XEN_DEV_EVTCHN"),
    KernelModule("xen-gntdev", "CONFIG_XEN_GNTDEV"),
    KernelModule("xen-gntalloc", "CONFIG_XEN_GRANT_DEV_ALLOC"),
];

/// What makes mistakes on purpose, in a kernel that is to report them (`scripts/debug-kernel`).
const MISTAKES: [KernelModule; 3] = [
    KernelModule("lkdtm", "CONFIG_LKDTM"),
    // Our own, of scripts/debug-kernel/mistakes.
    KernelModule("mistakes", "CONFIG_MODULES"),
    KernelModule("kmemleak-test", "CONFIG_SAMPLE_KMEMLEAK"),
];

/// What a crash kernel needs that saves its dump. Virtio is what an emulator is quickest with.
pub const DISK_DRIVER: KernelModule = KernelModule("virtio_blk", "CONFIG_VIRTIO_BLK");

impl KernelModule {
    /// Its file, whatever it is packed with, below the directory of a kernel's modules.
    pub fn find(&self, dir: &Path) -> Result<PathBuf> {
        let Self(name, option) = self;
        for entry in WalkDir::new(dir) {
            let entry = entry?;
            let rest = entry.file_name().to_string_lossy();
            if rest
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(".ko"))
            {
                return Ok(entry.into_path());
            }
        }
        bail!("no module {name} ({option}=m) below {}", dir.display())
    }
}

/// `/lib/modules`, with the lists that depmod makes.
pub fn add_all(inputs: &Inputs, root: &mut Tree) -> Result<()> {
    let version = inputs.release()?;
    let stage = tempfile::tempdir()?;
    let stage = stage.path();
    let dir = stage.join("lib/modules").join(&version);
    fs::create_dir_all(dir.join("updates"))?;
    for module in MODULES {
        let file = module.find(&inputs.modules)?;
        let to = dir.join(file.file_name().unwrap_or_default());
        fs::copy(&file, to)?;
    }
    for module in MISTAKES {
        // No kernel of a distribution's has them.
        if let Ok(file) = module.find(&inputs.modules) {
            fs::copy(&file, dir.join(file.file_name().unwrap_or_default()))?;
        }
    }
    let ko = &inputs.ko;
    if ko.exists() {
        fs::copy(ko, dir.join("updates/rkexec.ko"))?;
    }
    // Without these it complains about every module that is built in.
    for list in ["modules.builtin", "modules.order"] {
        fs::write(dir.join(list), "")?;
    }
    // Where depmod looks depends on whether the distribution has merged /usr.
    fs::create_dir(stage.join("usr"))?;
    symlink("../lib", stage.join("usr/lib"))?;
    command::run(Command::new("depmod").arg("-b").arg(stage).arg(&version))?;
    root.directory(&dir, &format!("/lib/modules/{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `make ktest` builds a kernel for which an initramfs must be made, too. It takes too long to run
    /// with the other tests, which have to notice when a module was added here, and not there.
    #[test]
    fn ktests_own_kernel_has_every_module() {
        let config = include_str!("../../../ktest/jump.config");
        for KernelModule(name, option) in MODULES.iter().chain([&DISK_DRIVER]) {
            let line = format!("{option}=m");
            assert!(
                config.lines().any(|it| it == line),
                "{name}: scripts/ktest/jump.config has no {line}"
            );
        }
    }
}
