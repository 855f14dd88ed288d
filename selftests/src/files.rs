//! The small files in which the kernel tells one thing, and the file systems that they are in.

use std::fs;
use std::str::FromStr;

use anyhow::{anyhow, Context, Result};
use nix::mount::MsFlags;

/// What is in one, without blanks around it.
pub fn read(path: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    Ok(text.trim().to_owned())
}

/// The same as a number, or whatever else can be read from text.
pub fn value<T: FromStr>(path: &str) -> Result<T> {
    let text = read(path)?;
    let value = text.parse();
    value.map_err(|_| anyhow!("{path} says {text:?}"))
}

/// The number of KiB that `/proc/meminfo` has behind `name`, in bytes.
pub fn memory(name: &str) -> Result<u64> {
    let info = read("/proc/meminfo")?;
    let line = info.lines().find_map(|it| it.strip_prefix(name));
    let kib = line.and_then(|it| it.trim_start_matches(':').trim().strip_suffix(" kB"));
    Ok(kib.context(name.to_owned())?.trim().parse::<u64>()? << 10)
}

/// Whether the kernel has warned, died a little, or found a bad page, and which modules taint it
/// (Documentation/admin-guide/tainted-kernels.rst).
pub fn tainted() -> Result<u64> {
    value("/proc/sys/kernel/tainted")
}

/// Mounts a file system that needs no device, at a place that need not be there yet.
pub fn mount(kind: &str, place: &str, options: Option<&str>) -> Result<()> {
    let context = || format!("mounting {kind} on {place}");
    fs::create_dir_all(place).with_context(context)?;
    let flags = MsFlags::empty();
    nix::mount::mount(Some(kind), place, Some(kind), flags, options).with_context(context)
}
