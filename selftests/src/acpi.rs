//! ACPI: where the firmware says that it begins, and whether this kernel has found it.

use std::fs;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};

use crate::files;
use crate::kernel_log::KernelLog;
use crate::report::Report;

/// The physical address at which ACPI begins (RSDP), if only UEFI can tell: it may be anywhere, and
/// a kernel that is not started by UEFI has to be told. 0 where the kernel finds it by itself.
pub fn root_pointer() -> u64 {
    let tables = fs::read_to_string("/sys/firmware/efi/systab").unwrap_or_default();
    let mut lines = tables.lines();
    let address = lines.find_map(|line| line.strip_prefix("ACPI20="));
    address.map_or(0, |address| files::hex(address).unwrap_or(0))
}

/// The tables that this kernel has found, in its words (`acpi_tb_print_table_header()`): signature,
/// address, and bytes.
pub fn tables() -> Result<Vec<(String, u64, u64)>> {
    let log = KernelLog::from_the_start()?.lines()?;
    let tables: Vec<_> = log.iter().filter_map(|line| table(line)).collect();
    ensure!(!tables.is_empty(), "the log tells of no table");
    Ok(tables)
}

/// The table that a line of the log tells of.
fn table(line: &str) -> Option<(String, u64, u64)> {
    let mut words = line.strip_prefix("ACPI: ")?.split(' ');
    let signature = words.next().filter(|it| it.len() == 4)?;
    let address = words.next().filter(|it| it.starts_with("0x"))?;
    let bytes = words.next().filter(|it| it.len() == 6)?;
    Some((
        signature.to_owned(),
        files::hex(address).ok()?,
        files::hex(bytes).ok()?,
    ))
}

/// Checks that this kernel has found it. Without it a kernel starts too, with what it finds by
/// itself.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_of_tables() {
        let line = "ACPI: FACP 0x000000007FFE2236 000074 (v01 BOCHS  BXPC     00000001)";
        assert_eq!(table(line), Some(("FACP".to_owned(), 0x7ffe_2236, 0x74)));
        for line in [
            "ACPI: Reserving FACP table memory at [mem 0x7ffe2236-0x7ffe22a9]",
            "ACPI: PM-Timer IO Port: 0x608",
            "ACPI: FACP",
        ] {
            assert_eq!(table(line), None);
        }
    }
}
