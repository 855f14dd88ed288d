//! The module: loading it and getting rid of it, as an administrator does.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{ensure, Context, Result};
use nix::kmod::{finit_module, ModuleInitFlags};
use rkexec_protocol::choice::Abi;

use crate::xen::{self, Xen};
use crate::{files, program};
pub const NAME: &str = "rkexec";

pub fn modprobe(arguments: &[&str]) -> Result<()> {
    program::run(Command::new("modprobe").args(arguments)).map(drop)
}

pub fn insert(path: &str) -> Result<()> {
    let file = File::open(path).with_context(|| path.to_owned())?;
    finit_module(file, c"", ModuleInitFlags::empty()).context("finit_module")
}

pub fn is_loaded() -> bool {
    Path::new("/sys/module").join(NAME).exists()
}

/// Whether its patch is there, enabled or not.
pub fn is_patching() -> bool {
    Path::new("/sys/kernel/livepatch").join(NAME).exists()
}

/// What it says that the loaded images will find mapped.
pub const MAP: &str = "/sys/kernel/debug/rkexec/identity_map";

/// What it says of the loaded image `kind` (default or crash): a line with its name, and those of
/// its map.
pub fn map(kind: &str) -> Result<Vec<String>> {
    let maps = std::fs::read_to_string(MAP).context(MAP)?;
    let name = format!("# {kind} image:");
    let mut lines = maps.lines().skip_while(|line| !line.starts_with(&name));
    let first = lines.next();
    let first = first.with_context(|| format!("{MAP} has no {kind} image"))?;
    let rest = lines.take_while(|line| !line.ends_with("levels"));
    Ok([first].into_iter().chain(rest).map(str::to_owned).collect())
}

/// Checks that it has made the page tables of the loaded image `kind`. They tell by the video
/// memory: the kernel's own map it like any other.
pub fn expect_map(kind: &str) -> Result<()> {
    const VIDEO: &str = "00000000000a0000 00000000000fffff 4K UC";
    let map = map(kind)?.join("\n");
    let ours = map.lines().any(|line| line == VIDEO);
    ensure!(ours, "the {kind} image has other page tables:\n{map}");
    Ok(())
}

/// What it says of its way to Xen.
pub const XEN: &str = "/sys/kernel/debug/rkexec/xen";

/// Checks that it uses this interface of Xen, and has seen the Xen that is there: the one that the runner
/// has `booted`, as Linux says it too.
pub fn expect_interface(abi: Abi, booted: &str) -> Result<()> {
    let said = files::read(XEN)?;
    let version = xen::version()?;
    ensure!(
        xen::is_of_release(&version, booted),
        "this is Xen {version}, and not {booted}"
    );
    let interfaces = Xen::open()?.kexec_interfaces().join(" ");
    for (name, wanted) in [
        ("version", &*version),
        ("interfaces", &*interfaces),
        ("used", abi.name()),
    ] {
        let line = format!("{name}: {wanted}");
        let has = said.lines().any(|it| it == line);
        ensure!(has, "{XEN} does not say {line}:\n{said}");
    }
    Ok(())
}

pub fn load() -> Result<()> {
    load_with(&[])
}

/// The same for this interface of Xen.
pub fn load_by(abi: Abi) -> Result<()> {
    load_with(&[&format!("xen_abi={abi}")])
}

/// The same, but what programs ask Xen's kexec goes past it to Xen.
pub fn load_without_door() -> Result<()> {
    load_with(&["privcmd=0"])
}

fn load_with(parameters: &[&str]) -> Result<()> {
    modprobe(&[&[NAME], parameters].concat())?;
    expect_loaded(true)
}

pub fn unload() -> Result<()> {
    modprobe(&["-r", NAME])?;
    expect_loaded(false)
}

fn expect_loaded(loaded: bool) -> Result<()> {
    let is = is_loaded();
    ensure!(is == loaded, "modprobe succeeds; the module is there: {is}");
    Ok(())
}
