//! What a crash kernel checks: that `/proc/vmcore` is a dump of the kernel that has crashed, with
//! its [`Marker`]. [`dom0`] is what there is to check more if that was a dom0.

mod dom0;
pub mod file;

use anyhow::{ensure, Result};
use object::read::elf::ProgramHeader;
use object::LittleEndian;
use rkexec_protocol::{Marker, Told};
use sha2::{Digest, Sha256};

use crate::acpi;
use crate::expect::Expected;
use crate::files;
use crate::report::Report;
use file::Dump;

pub fn check(report: &mut Report, told: &Told, marker: &Marker) -> Result<()> {
    report.test("it has found the tables of ACPI", acpi::is_found);
    let dump = Dump::open()?;
    report.test("/proc/vmcore is an ELF core file with notes", |report| {
        let loads = dump.loads()?;
        let bytes: u64 = loads.iter().map(|it| it.p_memsz(LittleEndian)).sum();
        let (pieces, mib) = (loads.len(), bytes >> 20);
        report.note(&format!("{pieces} pieces of memory, {mib} MiB"));
        let notes = dump.notes(b"CORE", None)?;
        ensure!(!notes.is_empty(), "no note of a processor");
        Ok(())
    });
    report.test("the crashed kernel's marker is where it was", |_| {
        let (Marker { at, sha256 }, page) = (marker, dump.page(marker.at.0)?);
        let digest = hex::encode(Sha256::digest(page));
        ensure!(digest == *sha256, "{digest} at {at}, not {sha256}");
        Ok(())
    });
    let expected = Expected::read()?;
    if let Some(crash) = &expected.crash {
        return dom0::check(report, &dump, &expected, crash, told.lockdown);
    }
    report.test("the crashed kernel tells of itself", |_| {
        dump.expect_release(&release()?, true)
    });
    Ok(())
}

pub fn release() -> Result<String> {
    files::read("/proc/sys/kernel/osrelease")
}
