//! What the next kernel checks: that it is not on Xen any more, and what it was handed.

use std::path::Path;

use anyhow::{ensure, Result};
use procfs::{Current, Meminfo};
use rkexec_protocol::choice::Lockdown;
use rkexec_protocol::{Fact, Told};

use crate::expect::{self, without_lockdown, Expected};
use crate::memory::Map;
use crate::report::Report;
use crate::{acpi, files, initrd, lockdown, xen};

pub fn check(report: &mut Report, told: &Told) -> Result<()> {
    if let Some(generation) = told.generation {
        report.fact(&Fact::Runs(generation));
    }
    report.test("the next kernel does not run on Xen", |_| not_on_xen());
    let expected = Expected::read();
    report.result("its initrd brought what to expect", &expected);
    let Ok(expected) = expected else {
        return Ok(());
    };
    report.test(
        "its command line is the given one, and not a word more",
        |_| {
            let (line, given) = (files::read("/proc/cmdline")?, &expected.cmdline);
            let line = without_lockdown(&line, told.lockdown)?;
            ensure!(line == given, "{line:?} instead of {given:?}");
            Ok(())
        },
    );
    locked_down_as_before(report, told.lockdown);
    report.test(
        "the random bytes in its initrd have the right SHA-256",
        |report| blob_is_right(report, &expected),
    );
    // Some clients keep the interrupt vectors of real mode from the next kernel.
    let first = told.first;
    report.test("it was handed the memory map of the machine", |report| {
        let map = Map::of_firmware()?;
        for entry in map.entries() {
            report.note(&entry.to_string());
        }
        expected.memory.above(first).expect(&map)
    });
    if told.lines > 0 {
        report.test("and that is as long as it should be", |report| {
            Map::of_firmware()?.expect_lines(report, told.lines)
        });
    }
    if let Some(built) = &told.ram {
        report.test("and that is what the machine was built with", |_| {
            let built: Map = built.parse()?;
            built.above(first).expect(&Map::of_firmware()?.ram())
        });
    }
    report.test("it uses all of that memory", uses_memory);
    report.test("it uses all processors", |_| {
        let online = files::read("/sys/devices/system/cpu/online")?;
        let all = match told.cpus {
            1 => "0".to_owned(),
            many => format!("0-{}", many - 1),
        };
        ensure!(online == all, "online: {online} instead of {all}");
        Ok(())
    });
    report.test("it has found the tables of ACPI", acpi::is_found);
    report.test("its boot_params say what machine it is on", |_| {
        subarch_is(told.subarch)
    });
    report.test("it is not tainted by a warning or an oops", |_| {
        is_untainted()
    });
    Ok(())
}

/// Checks that a kernel has not got rid of a lockdown that the one before had.
pub(crate) fn locked_down_as_before(report: &mut Report, level: Option<Lockdown>) {
    if let Some(level) = level {
        report.test("it is locked down as the kernel before was", |_| {
            lockdown::check(level)
        });
    }
}

/// Checks that the random bytes of its initrd have arrived.
pub(crate) fn blob_is_right(report: &mut Report, expected: &Expected) -> Result<()> {
    let found = initrd::digest_of(Path::new(expect::BLOB_PATH))?;
    report.note(&format!("{} bytes, {}", found.1, found.0));
    let wanted = (expected.blob_sha256.clone(), expected.blob_bytes);
    ensure!(found == wanted, "{found:?}, not {wanted:?}");
    Ok(())
}

/// Checks that this kernel has had no trouble, and has no module that it would be tainted by.
pub(crate) fn is_untainted() -> Result<()> {
    let tainted = files::tainted()?;
    ensure!(tainted == 0, "tainted: {tainted:#x}");
    Ok(())
}

/// Checks that this kernel has the machine for itself.
pub(crate) fn not_on_xen() -> Result<()> {
    ensure!(!xen::present(), "/sys/hypervisor/type says xen");
    // The leaves from 0x40000000 on tell of a hypervisor where there is one; only PV guests of Xen
    // need another instruction, and they have /sys/hypervisor.
    // SAFETY: Every x86-64 processor has the instruction.
    let leaf = unsafe { std::arch::x86_64::__cpuid(0x4000_0000) };
    let name = [leaf.ebx, leaf.ecx, leaf.edx].map(u32::to_le_bytes);
    ensure!(name.concat() != b"XenVMMXenVMM", "CPUID says Xen");
    Ok(())
}

fn uses_memory(report: &mut Report) -> Result<()> {
    let total = Meminfo::current()?.mem_total;
    let ram = Map::of_firmware()?.ram().bytes();
    let (total_mib, ram_mib) = (total >> 20, ram >> 20);
    report.note(&format!("MemTotal {total_mib} MiB of {ram_mib} MiB"));
    // What is missing is the kernel itself and its page array: a constant and a share.
    ensure!(
        total <= ram && total + (96 << 20) + ram / 32 >= ram,
        "{total} of {ram} bytes"
    );
    Ok(())
}

/// Checks what it was told of the kind of machine: 0 is a PC.
pub(crate) fn subarch_is(wanted: u32) -> Result<()> {
    let subarch = files::boot_params()?.hdr.hardware_subarch;
    ensure!(subarch == wanted, "hardware_subarch: {subarch}");
    Ok(())
}
