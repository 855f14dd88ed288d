//! ACPI: where the firmware says that it begins, and whether this kernel has found it.

use std::fs;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};

use crate::kernel_log::KernelLog;
use crate::report::Report;

/// The physical address at which ACPI begins (RSDP), if only UEFI can tell: it may be anywhere, and
/// a kernel that is not started by UEFI has to be told. 0 where the kernel finds it by itself.
pub fn root_pointer() -> u64 {
    let tables = fs::read_to_string("/sys/firmware/efi/systab").unwrap_or_default();
    let address = tables
        .lines()
        .find_map(|line| line.strip_prefix("ACPI20=0x"));
    address.map_or(0, |hex| u64::from_str_radix(hex, 16).unwrap_or(0))
}

/// Checks that this kernel has found it. Without it a kernel starts too, with what it finds by
/// itself.
///
/// # Errors
///
/// It has not, or has a complaint.
pub fn is_found(report: &mut Report) -> Result<()> {
    for table in ["APIC", "DSDT", "FACP"] {
        let path = Path::new("/sys/firmware/acpi/tables").join(table);
        ensure!(path.exists(), "there is no {}", path.display());
    }
    let log = KernelLog::from_the_start()?.lines()?;
    let complaint = |line: &&String| {
        ["ACPI BIOS Error", "ACPI Error", "ACPI: Unable to load"]
            .iter()
            .any(|start| line.contains(start))
    };
    if let Some(line) = log.iter().find(complaint) {
        bail!("{line}");
    }
    let root = log.iter().find(|line| line.starts_with("ACPI: RSDP 0x"));
    report.note(root.context("the log does not tell of the RSDP")?);
    Ok(())
}
