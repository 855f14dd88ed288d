//! What the next kernel checks: that it is not on Xen any more, and what it was handed.

use std::path::Path;

use anyhow::{bail, ensure, Context, Result};

use crate::acpi;
use crate::expect::{self, Expected};
use crate::initrd;
use crate::lockdown;
use crate::memory::Map;
use crate::params::Params;
use crate::report::Report;
use crate::sys::bindings::linux;
use crate::xen;

/// Runs all the checks.
///
/// # Errors
///
/// Nothing could be checked.
pub fn check(report: &mut Report, params: &Params) -> Result<()> {
    if let Some(generation) = params.get::<u32>("generation")? {
        report.note(&format!("generation {generation} runs"));
    }
    report.test("the next kernel does not run on Xen", |_| not_on_xen());
    let mut expected = None;
    report.test("its initrd brought what to expect", |_| {
        expected = Some(Expected::read()?);
        Ok(())
    });
    let Some(expected) = expected else {
        return Ok(());
    };
    report.test(
        "its command line is the given one, and not a word more",
        |_| {
            let line = read("/proc/cmdline")?;
            let line = expected.without_lockdown(&line)?;
            ensure!(
                line == expected.cmdline,
                "{line:?} instead of {:?}",
                expected.cmdline
            );
            Ok(())
        },
    );
    locked_down_as_before(report, &expected);
    report.test(
        "the random bytes in its initrd have the right SHA-256",
        |report| blob_is_right(report, &expected),
    );
    // Some clients keep the interrupt vectors of real mode from the next kernel.
    let first = params.get("first")?.unwrap_or(0);
    report.test("it was handed the memory map of the machine", |report| {
        let map = Map::of_firmware()?;
        for entry in map.entries() {
            report.note(&entry.to_string());
        }
        expected.memory.above(first).expect(&map)
    });
    if let Some(least) = params.get("lines")? {
        report.test("and that is as long as it should be", |report| {
            Map::of_firmware()?.expect_lines(report, least)
        });
    }
    if let Some(built) = params.get::<Map>("ram")? {
        report.test("and that is what the machine was built with", |_| {
            built.above(first).expect(&Map::of_firmware()?.ram())
        });
    }
    report.test("it uses all of that memory", uses_memory);
    report.test("it uses all processors", |_| {
        let online = read("/sys/devices/system/cpu/online")?;
        let all = match params.need::<u32>("cpus")? {
            1 => "0".to_owned(),
            many => format!("0-{}", many - 1),
        };
        ensure!(online == all, "online: {online} instead of {all}");
        Ok(())
    });
    report.test("it has found the tables of ACPI", acpi::is_found);
    report.test("its boot_params do not say that it is on Xen", |_| {
        subarch_is_pc()
    });
    report.test("it is not tainted by a warning or an oops", |_| {
        is_untainted()
    });
    Ok(())
}

/// Checks that a kernel has not got rid of a lockdown that the one before had.
pub(crate) fn locked_down_as_before(report: &mut Report, expected: &Expected) {
    if let Some(level) = expected.lockdown() {
        report.test("it is locked down as the kernel before was", |_| {
            lockdown::check(level)
        });
    }
}

/// Checks that the random bytes of its initrd have arrived.
pub(crate) fn blob_is_right(report: &mut Report, expected: &Expected) -> Result<()> {
    let (digest, bytes) = initrd::digest_of(Path::new(expect::BLOB_PATH))?;
    report.note(&format!("{bytes} bytes, {digest}"));
    ensure!(
        bytes == expected.blob_bytes,
        "{bytes} bytes instead of {}",
        expected.blob_bytes
    );
    ensure!(
        digest == expected.blob_sha256,
        "{digest}, not {}",
        expected.blob_sha256
    );
    Ok(())
}

/// Checks that this kernel has had no trouble, and has no module that it would be tainted by.
pub(crate) fn is_untainted() -> Result<()> {
    let tainted: u64 = read("/proc/sys/kernel/tainted")?.parse()?;
    ensure!(tainted == 0, "tainted: {tainted:#x}");
    Ok(())
}

fn read(path: &str) -> Result<String> {
    Ok(std::fs::read_to_string(path)
        .context(path.to_owned())?
        .trim_end()
        .to_owned())
}

/// Checks that this kernel has the machine for itself.
pub(crate) fn not_on_xen() -> Result<()> {
    ensure!(!xen::present(), "/sys/hypervisor/type says xen");
    // The leaves from 0x40000000 on tell of a hypervisor where there is one; only PV guests of Xen
    // need another instruction, and they have /sys/hypervisor.
    // SAFETY: Every x86-64 processor has the instruction.
    let leaf = unsafe { std::arch::x86_64::__cpuid(0x4000_0000) };
    let name: Vec<u8> = [leaf.ebx, leaf.ecx, leaf.edx]
        .iter()
        .flat_map(|part| part.to_le_bytes())
        .collect();
    ensure!(name != b"XenVMMXenVMM", "CPUID says Xen");
    Ok(())
}

fn uses_memory(report: &mut Report) -> Result<()> {
    let info = read("/proc/meminfo")?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let total = total
        .and_then(|text| text.trim().strip_suffix(" kB"))
        .context("MemTotal")?;
    let total = total.trim().parse::<u64>()? << 10;
    let ram = Map::of_firmware()?.ram().bytes();
    report.note(&format!(
        "MemTotal {} MiB of {} MiB",
        total >> 20,
        ram >> 20
    ));
    // What is missing is the kernel itself and its page array: a constant and a share.
    ensure!(
        total <= ram && total + (96 << 20) + ram / 32 >= ram,
        "{total} of {ram} bytes"
    );
    Ok(())
}

/// Checks what it was told of the kind of machine.
pub(crate) fn subarch_is_pc() -> Result<()> {
    let path = "/sys/kernel/boot_params/data";
    let data = std::fs::read(path).context(path)?;
    let at = std::mem::offset_of!(linux::boot_params, hdr)
        + std::mem::offset_of!(linux::setup_header, hardware_subarch);
    let Some(field) = data.get(at..at + 4) else {
        bail!("{path}: {} bytes", data.len())
    };
    ensure!(field == [0; 4], "hardware_subarch: {field:?}");
    Ok(())
}
