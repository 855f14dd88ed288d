//! The blocks of memory that this kernel can do without (`/sys/devices/system/memory`).

use std::fs;

use anyhow::{bail, Context, Result};

use crate::files;
use crate::report::Report;

/// Takes one away, whichever can go, and gives it back.
pub fn take_one_away(report: &mut Report) -> Result<()> {
    const BLOCKS: &str = "/sys/devices/system/memory";
    let mut names: Vec<_> = fs::read_dir(BLOCKS)
        .context(BLOCKS)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            name.strip_prefix("memory")
                .is_some_and(|nr| nr.parse::<u32>().is_ok())
        })
        .collect();
    names.sort();
    for name in names {
        let state = format!("{BLOCKS}/{name}/state");
        // What the kernel itself has in it cannot go.
        if fs::write(&state, "offline").is_ok() {
            let is = files::read(&state)?;
            fs::write(&state, "online").with_context(|| state.clone())?;
            report.note(&format!("{name} was {}", is.trim()));
            return Ok(());
        }
    }
    bail!("none can go")
}
