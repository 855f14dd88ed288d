//! The module: loading it and getting rid of it, as an administrator does.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{ensure, Context, Result};
use nix::kmod::{finit_module, ModuleInitFlags};

use crate::params::Params;
use crate::xen::{self, Xen};

/// Its name.
pub const NAME: &str = "rkexec";

/// Runs modprobe.
///
/// # Errors
///
/// It cannot be run, or fails: then with what it said.
pub fn modprobe(arguments: &[&str]) -> Result<()> {
    let output = Command::new("modprobe")
        .args(arguments)
        .output()
        .context("modprobe")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "modprobe {}: {}: {}",
        arguments.join(" "),
        output.status,
        said.trim()
    );
    Ok(())
}

/// Loads the file at `path` without modprobe.
///
/// # Errors
///
/// It cannot be opened, or the kernel's.
pub fn insert(path: &str) -> Result<()> {
    let file = File::open(path).with_context(|| path.to_owned())?;
    finit_module(file, c"", ModuleInitFlags::empty()).context("finit_module")
}

/// Whether it is loaded.
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
///
/// # Errors
///
/// It says nothing of it.
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
///
/// # Errors
///
/// It has not.
pub fn expect_map(kind: &str) -> Result<()> {
    const VIDEO: &str = "00000000000a0000 00000000000fffff 4K UC";
    let map = map(kind)?;
    let ours = map.iter().any(|line| line == VIDEO);
    ensure!(
        ours,
        "the {kind} image has other page tables:\n{}",
        map.join("\n")
    );
    Ok(())
}

/// What it says of its way to Xen.
pub const XEN: &str = "/sys/kernel/debug/rkexec/xen";

/// Checks that it uses the interface of Xen that the runner wants (`vmtest.abi=`), and has seen the
/// Xen that is there: the one that the runner has booted (`vmtest.xen=`), as Linux says it too.
///
/// # Errors
///
/// It does not.
pub fn expect_interface(params: &Params) -> Result<()> {
    let said = std::fs::read_to_string(XEN).context(XEN)?;
    let value = |name: &str| {
        let mut lines = said.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .with_context(|| format!("{XEN} has no {name}:\n{said}"))
    };
    let version = xen::version()?;
    ensure!(
        value("version")? == version,
        "{XEN} has another version than {version}:\n{said}"
    );
    let booted: String = params.need("xen")?;
    ensure!(
        xen::is_of_release(&version, &booted),
        "this is Xen {version}, and not {booted}"
    );
    let interfaces = Xen::open()?.kexec_interfaces()?.join(" ");
    ensure!(
        value("interfaces")? == interfaces,
        "this Xen has {interfaces}:\n{said}"
    );
    let wanted = match params.need::<String>("abi")?.as_str() {
        "v1" => "V1",
        _ => "V2",
    };
    ensure!(value("used")? == wanted, "not {wanted}:\n{said}");
    Ok(())
}

/// Loads it, with the interface of Xen that the runner wants (`vmtest.abi=`), if any.
///
/// # Errors
///
/// modprobe fails, or does not do it.
pub fn load() -> Result<()> {
    let abi: Option<String> = Params::of_this_kernel()?.get("abi")?;
    let abi = abi.map(|abi| format!("xen_abi={abi}"));
    let words: Vec<_> = [NAME].into_iter().chain(abi.as_deref()).collect();
    modprobe(&words)?;
    ensure!(
        is_loaded(),
        "modprobe says yes, and the module is not there"
    );
    Ok(())
}

/// Unloads it.
///
/// # Errors
///
/// modprobe fails, or does not do it.
pub fn unload() -> Result<()> {
    modprobe(&["-r", NAME])?;
    ensure!(
        !is_loaded(),
        "modprobe says yes, and the module is still there"
    );
    Ok(())
}
