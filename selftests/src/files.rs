//! The small files in which the kernel tells one thing, and the file systems that they are in.

use std::fs;
use std::str::FromStr;

use anyhow::{anyhow, ensure, Context, Result};
use nix::mount::MsFlags;
use object::pod::from_bytes;

use crate::sys::bindings::linux::boot_params;

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

/// A number as the kernel writes it in hexadecimal, with `0x` or without.
pub fn hex(text: &str) -> Result<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).with_context(|| format!("not a hexadecimal number: {text}"))
}

/// The `boot_params` that the kernel was started with.
pub fn boot_params() -> Result<boot_params> {
    let path = "/sys/kernel/boot_params/data";
    let data = fs::read(path).context(path)?;
    let params = from_bytes::<boot_params>(&data);
    let (params, _) = params.map_err(|()| anyhow!("{path}: {} bytes", data.len()))?;
    Ok(*params)
}

/// Whether the kernel has warned, died a little, or found a bad page, and which modules taint it
/// (Documentation/admin-guide/tainted-kernels.rst).
pub fn tainted() -> Result<u64> {
    value("/proc/sys/kernel/tainted")
}

/// Checks that the kernel's marks of a warning, an oops and a bad page
/// (Documentation/admin-guide/tainted-kernels.rst) are no more than those of `before`: a debug kernel warns of Xen when it
/// boots.
pub fn expect_no_trouble_since(before: u64) -> Result<()> {
    const TROUBLE: u64 = (1 << 9) | (1 << 7) | (1 << 5);
    let tainted = tainted()?;
    ensure!(tainted & !before & TROUBLE == 0, "tainted: {tainted:#x}");
    Ok(())
}

/// Mounts a file system that needs no device, at a place that need not be there yet.
pub fn mount(kind: &str, place: &str, options: Option<&str>) -> Result<()> {
    let context = || format!("mounting {kind} on {place}");
    fs::create_dir_all(place).with_context(context)?;
    let flags = MsFlags::empty();
    nix::mount::mount(Some(kind), place, Some(kind), flags, options).with_context(context)
}
