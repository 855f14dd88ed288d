//! The probe (`purgatory/probe/`) as the next kernel. What it will find is compared with what is
//! written down here before, by the runner: the machine's memory, and with the module the map that
//! it says it has built.

use std::fs;

use rkexec_protocol::Fact;

use super::prelude::*;
use crate::memory::Map;
use crate::{acpi, files};

/// The probe's file, which is as long as the memory that it takes.
pub const PROBE: &str = "/boot/probe";

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    let with_module = stage.told.module;
    if with_module {
        stage.load_module();
    }
    tell_memory(stage.report, &xen::machine_map()?)?;
    stage.test("kexec_load loads the probe", |_| load());
    if with_module {
        let name = "the module tells what it has mapped";
        stage.test(name, |report| {
            let map = fs::read_to_string(module::MAP).context(module::MAP)?;
            tell_map(report, &map.lines().map(str::to_owned).collect::<Vec<_>>());
            Ok(())
        });
    }
    Ok(Next::Exec)
}

/// Notes what is to be mapped: what the map of the machine has, and the tables of its firmware, which it
/// may call reserved.
pub fn tell_memory(report: &mut Report, machine: &Map) -> Result<()> {
    let mut tell = |memory: &str| -> Result<()> {
        report.fact(&Fact::Memory(memory.parse()?));
        Ok(())
    };
    for entry in machine.entries() {
        tell(&entry.to_string())?;
    }
    for line in efi_tables()? {
        tell(&format!("{line} EFI tables"))?;
    }
    for (signature, at, bytes) in acpi::tables()? {
        let last = at.saturating_add(bytes).saturating_sub(1);
        let pages = format!("{:#x}-{:#x}", at & !0xfff, last | 0xfff);
        tell(&format!("{pages} table {signature}"))?;
    }
    Ok(())
}

/// Notes what the module says that it has mapped.
pub fn tell_map(report: &mut Report, lines: &[String]) {
    for line in lines {
        report.fact(&Fact::Map(line.clone()));
    }
}

/// The pages of the EFI system table and of the array of configuration tables, on a machine that
/// was booted by EFI. Neither reaches into a second page on the machines of the tests.
fn efi_tables() -> Result<Vec<String>> {
    let Ok(config) = fs::read_to_string("/sys/firmware/efi/config_table") else {
        return Ok(Vec::new());
    };
    let config = files::hex(config.trim()).context("config_table")?;
    let efi = files::boot_params()?.efi_info;
    let system = (u64::from(efi.efi_systab_hi) << 32) | u64::from(efi.efi_systab);
    let page = |at: u64| format!("{:#x}-{:#x}", at & !0xfff, at | 0xfff);
    Ok(vec![page(system), page(config)])
}

/// Loads it by `kexec_load`.
pub fn load() -> Result<()> {
    let probe = fs::read(PROBE).context(PROBE)?;
    let bytes = u64::try_from(probe.len())?;
    let segment = Segment::new(&probe, PLACE, bytes);
    kexec::load(PLACE, &[segment], kexec::ARCH_X86_64).context("kexec_load")?;
    kexec::expect_loaded(true)
}
