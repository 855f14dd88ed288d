//! What the build provides for the machines (`make assets`).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use formats::bzimage::BzImage;
use fs_err as fs;

use crate::linux_build::LinuxBuild;

/// Something that the build provides, by its name.
pub fn asset(name: &str) -> PathBuf {
    Path::new(".build/vm/assets").join(name)
}

/// What somebody who tries another kernel has of his own.
#[derive(Args, Clone)]
pub struct Inputs {
    /// The stock kernel.
    #[arg(long, global = true, default_value_os_t = asset("vmlinuz"))]
    pub vmlinuz: PathBuf,
    /// Its modules: the directory that has `kernel/` in it.
    #[arg(long, global = true, default_value_os_t = asset("modules"))]
    pub modules: PathBuf,
    /// rkexec itself. It may be missing, for a machine without it.
    #[arg(long, global = true, default_value_os_t = asset("rkexec.ko"))]
    pub ko: PathBuf,
}

impl Inputs {
    /// Another kernel, and the module that was built for it.
    pub fn of(linux: LinuxBuild) -> Self {
        let part = |name| asset(&format!("linux/{linux}/{name}"));
        Self {
            vmlinuz: part("vmlinuz"),
            modules: part("modules"),
            ko: part("rkexec.ko"),
        }
    }

    pub fn release(&self) -> Result<String> {
        let kernel = fs::read(&self.vmlinuz)?;
        let release = BzImage::parse(&kernel).and_then(|image| image.version());
        release.with_context(|| self.vmlinuz.display().to_string())
    }
}
