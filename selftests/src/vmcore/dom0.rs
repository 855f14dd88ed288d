//! What a crash kernel checks after a dom0: it has the machine, and the dump is that of the machine.

use anyhow::{bail, ensure, Context, Result};
use object::read::elf::ProgramHeader;
use object::LittleEndian;
use rkexec_protocol::choice::{Lockdown, Way};
use sha2::{Digest, Sha256};

use super::file::{Dump, PAGE};
use crate::expect::{without_lockdown, Crash, Expected};
use crate::files;
use crate::memory::{Entry, Map, RAM};
use crate::report::Report;
use crate::stage2;
use crate::xen::{self, Range};

const MIB: u64 = 1 << 20;
/// Of the crash area the crash kernel does not get: what keeps low memory, and the head of the dump.
const KEPT_MAX: u64 = 2 * MIB;

/// The notes that Xen writes, by the types that it has for them (`xen/elfcore.h`).
const NT_PRSTATUS: u32 = 1;
const XEN_INFO: u32 = 0x100_0001;
const XEN_REGISTERS: u32 = 0x100_0002;
/// Where `elf_prstatus` has the instruction pointer.
const RIP: usize = 112 + 16 * size_of::<u64>();

pub fn check(
    report: &mut Report,
    dump: &Dump,
    expected: &Expected,
    crash: &Crash,
    lockdown: Option<Lockdown>,
) -> Result<()> {
    report.test("the crash kernel does not run on Xen", |_| {
        stage2::not_on_xen()?;
        match crash.way {
            // They hand over what dom0 was told.
            Way::Tools | Way::Door => Ok(()),
            Way::File | Way::Load => stage2::subarch_is(0),
        }
    });
    report.test("its command line is the given one", |report| {
        let line = files::read("/proc/cmdline")?;
        let line = without_lockdown(&line, lockdown)?;
        let added = added_words(line, &expected.cmdline, crash.way)?;
        report.note(&format!("and: {added}"));
        Ok(())
    });
    stage2::locked_down_as_before(report, lockdown);
    report.test("the bytes in its initrd are right", |report| {
        stage2::blob_is_right(report, expected)
    });
    report.test("its memory is the crash area, and below 1 MiB", |report| {
        memory(report, &Map::of_firmware()?, &expected.memory, crash)
    });
    report.test("the dump is of all memory but the crash area", |report| {
        let machine = expected.memory.ram();
        let machine = machine.without(&crash.area);
        let loads = dumped(dump)?;
        for load in loads.entries() {
            report.note(&load.to_string());
        }
        machine.in_pages().expect(&loads.in_pages())
    });
    report.test("Xen tells of each processor, and of itself", |_| {
        xen_notes(dump, crash)
    });
    // kexec-tools leave this out.
    if !matches!(crash.way, Way::Tools | Way::Door) {
        report.test("and Linux of itself", |_| {
            dump.expect_release(&crash.release, crash.panics)
        });
    }
    match crash.way {
        Way::File | Way::Tools | Way::Door => {
            report.test("low memory is in the dump as it was", |report| {
                let changed = changed_low_memory(report, dump, crash)?;
                ensure!(changed.is_empty(), "not these pages: {changed:x?}");
                Ok(())
            });
        }
        // The tests do not know where it is kept, and find the crash kernel's own.
        Way::Load => {
            report.test("low memory would not be what it was", |report| {
                let changed = changed_low_memory(report, dump, crash)?;
                ensure!(!changed.is_empty(), "nobody has used it");
                report.note(&format!("changed: {changed:x?}"));
                Ok(())
            });
        }
    }
    report.test("it is not tainted by a warning or an oops", |_| {
        stage2::is_untainted()
    });
    Ok(())
}

/// What was added to the command line, which must have been the right thing in the right place.
fn added_words(line: &str, given: &str, way: Way) -> Result<String> {
    let (before, after) = line
        .split_once(given)
        .with_context(|| format!("{line:?} instead of {given:?}"))?;
    let words: Vec<_> = before.split(' ').chain(after.split(' ')).collect();
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let allowed: &[&str] = match way {
        Way::File | Way::Load => {
            ensure!(after.is_empty(), "{after:?} is behind it");
            &["elfcorehdr="]
        }
        // Xen calls it as if it could come back.
        Way::Tools => &["elfcorehdr=", "kexec_jump_back_entry="],
        Way::Door => &["elfcorehdr="],
    };
    let is_there = |name: &&str| words.iter().any(|word| word.starts_with(*name));
    let right = words.len() == allowed.len() && allowed.iter().all(is_there);
    ensure!(right, "added: {words:?}");
    Ok(words.join(" "))
}

fn memory(report: &mut Report, handed: &Map, machine: &Map, crash: &Crash) -> Result<()> {
    for entry in handed.entries() {
        report.note(&entry.to_string());
    }
    machine.ram().below(MIB).expect(&handed.ram().below(MIB))?;
    machine.others().expect(&handed.others())?;
    let outside = handed.ram().above(MIB).without(&crash.area);
    ensure!(
        outside.entries().is_empty(),
        "memory that is not the crash kernel's: {outside:?}"
    );
    let Range { start, end } = crash.area;
    let kept = end - start - handed.ram().above(start).below(end).bytes();
    report.note(&format!("{} KiB of the crash area are kept", kept >> 10));
    // The tests' own keeps one page, kexec-tools and the module keep low memory as well.
    ensure!(
        (1..=KEPT_MAX).contains(&kept),
        "{kept} bytes of the crash area are missing"
    );
    Ok(())
}

/// The memory in the dump, which must all be there and only once.
fn dumped(dump: &Dump) -> Result<Map> {
    let mut entries = Vec::new();
    for load in dump.loads()? {
        let (start, bytes) = (load.p_paddr(LittleEndian), load.p_memsz(LittleEndian));
        ensure!(
            load.p_filesz(LittleEndian) == bytes,
            "not all of the memory at {start:#x} is in the dump"
        );
        entries.push(Entry {
            start,
            end: start + bytes,
            kind: RAM,
        });
    }
    entries.sort_unstable();
    if let Some(pair) = entries.windows(2).find(|it| it[0].end > it[1].start) {
        bail!("{} and {} overlap", pair[0], pair[1]);
    }
    Ok(Map::new(entries))
}

fn xen_notes(dump: &Dump, crash: &Crash) -> Result<()> {
    let word = |note: &[u8], at: usize| -> Result<u64> {
        let bytes = note.get(at..at + size_of::<u64>());
        let bytes = bytes.context("a note is too short")?;
        Ok(u64::from_le_bytes(bytes.try_into()?))
    };
    let processors = dump.notes(b"CORE", Some(NT_PRSTATUS))?;
    let registers = dump.notes(b"Xen", Some(XEN_REGISTERS))?;
    for (name, found) in [("CORE", &processors), ("Xen", &registers)] {
        let (found, all) = (found.len(), crash.cpus);
        ensure!(
            found == all,
            "notes {name} of {found} processors, not {all}"
        );
    }
    for note in processors {
        ensure!(word(note, RIP)? != 0, "a processor was at address 0");
    }
    let info = dump.notes(b"Xen", Some(XEN_INFO))?;
    let [info] = *info else {
        bail!("{} notes of Xen about itself", info.len())
    };
    let version = format!("{}.{}", word(info, 0)?, word(info, size_of::<u64>())?);
    ensure!(
        xen::is_of_release(&crash.xen, &version),
        "the dump is of Xen {version}, and not of {}",
        crash.xen
    );
    let symbols = dump.notes(b"VMCOREINFO_XEN", None)?;
    let [symbols] = *symbols else {
        bail!("{} notes VMCOREINFO_XEN", symbols.len())
    };
    let symbols = String::from_utf8_lossy(symbols);
    let whole = symbols.contains("SYMBOL(dom_xen)=");
    ensure!(whole, "VMCOREINFO_XEN: {symbols}");
    Ok(())
}

/// The pages of low memory that are not what they were.
fn changed_low_memory(report: &mut Report, dump: &Dump, crash: &Crash) -> Result<Vec<u64>> {
    let zeros = hex::encode(Sha256::digest([0; PAGE]));
    let content = crash.low.iter().filter(|(_, digest)| *digest != zeros);
    let (all, content) = (crash.low.len(), content.count());
    report.note(&format!("{all} pages, {content} of them not empty"));
    ensure!(content > 0, "there was nothing in low memory");
    let mut changed = Vec::new();
    for (page, digest) in &crash.low {
        let found = dump.page(page * PAGE as u64)?;
        if hex::encode(Sha256::digest(found)) != *digest {
            changed.push(*page);
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_added_to_a_command_line_that_does_not_belong_there() {
        let added = |line, way| added_words(line, "a=1 b", way);
        assert!(added("elfcorehdr=0x1 a=1 b", Way::File).is_ok());
        assert!(added("a=1 b", Way::File).is_err());
        assert!(added("elfcorehdr=0x1 a=1 b c", Way::File).is_err());
        assert!(added("elfcorehdr=0x1 a=1", Way::File).is_err());
        let tools = "a=1 b elfcorehdr=1K kexec_jump_back_entry=0x1";
        assert!(added(tools, Way::Tools).is_ok());
        assert!(added(tools, Way::Load).is_err());
    }
}
