//! Builds what the tests are about, once for all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

pub struct Artifacts {
    /// The hand-over as the linker made it.
    pub elf: PathBuf,
    /// The hand-over as the module embeds it.
    pub flat: PathBuf,
    /// The bench around it.
    pub loader: PathBuf,
}

/// All of them, up to date.
pub fn get() -> &'static Artifacts {
    static ARTIFACTS: OnceLock<Artifacts> = OnceLock::new();
    ARTIFACTS.get_or_init(|| {
        let out = directory("handover");
        succeeded(&handover_blob(&out, None));
        Artifacts {
            elf: out.join("handover.elf"),
            flat: out.join("handover.bin"),
            loader: loader(),
        }
    })
}

/// A directory of this name for the tests' own files.
pub fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&path).expect("cargo's directory for such things");
    path
}

fn repo() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in the repository")
}

/// Cargo's directory: the one that these tests themselves were built in.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("it is called tmp, and in there")
}

pub fn handover_blob(out: &Path, feature: Option<&str>) -> Output {
    Command::new(repo().join("scripts/handover-blob"))
        .arg(out)
        .args(feature)
        .env("CARGO_TARGET_DIR", target())
        .output()
        .expect("scripts/handover-blob can be run")
}

/// Builds the bench loader: for a fixed address, so that it needs no relocation either.
fn loader() -> PathBuf {
    const COMMAND: &str = "build --quiet --package rkexec-handover --bin bench-loader \
        --features bench-loader --profile handover --target x86_64-unknown-linux-gnu --target-dir";
    let output = Command::new(env!("CARGO"))
        .current_dir(repo())
        .env("RUSTFLAGS", "-C relocation-model=static")
        .args(COMMAND.split(' '))
        .arg(target())
        .output()
        .expect("cargo can be run");
    succeeded(&output);
    target().join("x86_64-unknown-linux-gnu/handover/bench-loader")
}

fn succeeded(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
