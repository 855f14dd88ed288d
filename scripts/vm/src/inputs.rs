//! What the build provides for the machines (`make assets`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use formats::bzimage::BzImage;

/// Something that the build provides, by its name.
pub fn asset(name: &str) -> PathBuf {
    Path::new(".build/vm/assets").join(name)
}

/// What somebody who tries another kernel has of his own.
#[derive(Args, Clone)]
pub struct Inputs {
    /// The stock kernel.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = ".build/vm/assets/vmlinuz"
    )]
    pub vmlinuz: PathBuf,
    /// Its modules: the directory that has `kernel/` in it.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = ".build/vm/assets/modules"
    )]
    pub modules: PathBuf,
    /// rkexec itself. It may be missing, for a machine without it.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = ".build/vm/assets/rkexec.ko"
    )]
    pub ko: PathBuf,
}

impl Inputs {
    /// What the stock kernel says its release is.
    pub fn release(&self) -> Result<String> {
        let name = || self.vmlinuz.display().to_string();
        let kernel = fs::read(&self.vmlinuz).with_context(name)?;
        let image = BzImage::parse(&kernel);
        image.and_then(|image| image.version()).with_context(name)
    }
}
