//! What a crash kernel does with the dump of a dom0 that people do: it tells what is in it, and
//! writes it to a disk by makedumpfile, as Debian's kdump-tools does.
//!
//! The runner compares what is in it with what another crash kernel has told, and reads the disk
//! (`scripts/vm/src/dump.rs`). Or it is copied as it is, for the runner to compare every byte
//! (`scripts/vm/src/dump_bytes.rs`).

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::Command;
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use object::elf::{PT_LOAD, PT_NOTE};
use object::read::elf::ProgramHeader;
use object::LittleEndian;
use rkexec_protocol::choice::Dump as What;
use rkexec_protocol::hex::Hex;
use rkexec_protocol::Fact;

use crate::module;
use crate::program::run;
use crate::report::Report;
use crate::vmcore::file::{Dump, VMCORE};

const DRIVER: &str = "/lib/dump/virtio_blk.ko";
const DISK: &str = "/dev/vda";
const DMESG: &str = "/tmp/dmesg";
/// What dom0 said last.
const PANIC: &str = "Kernel panic - not syncing: sysrq triggered crash";

pub fn check(report: &mut Report, what: What) -> Result<()> {
    report.test("/proc/vmcore tells what it has", tell);
    match what {
        What::Headers => {}
        What::Raw => {
            report.test("/proc/vmcore is copied to a disk", copy);
        }
        What::Whole => whole(report),
    }
    Ok(())
}

/// What people do.
fn whole(report: &mut Report) {
    report.test("makedumpfile --dump-dmesg shows dom0's panic", |_| {
        run(Command::new("makedumpfile").args(["--dump-dmesg", VMCORE, DMESG]))?;
        let text = std::fs::read(DMESG).context(DMESG)?;
        let text = String::from_utf8_lossy(&text);
        ensure!(text.contains(PANIC), "not in {} bytes", text.len());
        Ok(())
    });
    // 31 is what kdump-tools uses: all that can be left out is left out.
    let name = "makedumpfile -c -d 31 writes the dump to a disk";
    report.test(name, |report| {
        module::insert(DRIVER)?;
        let started = Instant::now();
        // -F: in one go from beginning to end, so that a pipe or a disk will do.
        let shell = format!("exec makedumpfile -F -c -d 31 {VMCORE} >{DISK}");
        run(Command::new("sh").args(["-c", &shell]))?;
        File::open(DISK)?.sync_all().context(DISK)?;
        report.note(&format!("in {} s", started.elapsed().as_secs()));
        Ok(())
    });
}

fn copy(report: &mut Report) -> Result<()> {
    module::insert(DRIVER)?;
    let started = Instant::now();
    let mut dump = File::open(VMCORE).context(VMCORE)?;
    let mut disk = OpenOptions::new().write(true).open(DISK).context(DISK)?;
    // A system call for each of the small pieces that a plain copy makes takes an emulator long.
    let mut chunk = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let got = dump.read(&mut chunk).context(VMCORE)?;
        if got == 0 {
            break;
        }
        disk.write_all(&chunk[..got]).context(DISK)?;
        bytes += got as u64;
    }
    disk.sync_all().context(DISK)?;
    let seconds = started.elapsed().as_secs();
    report.note(&format!("{bytes} bytes in {seconds} s"));
    Ok(())
}

/// Tells of every piece of memory where it was, where the crashed kernel had it mapped, and how long
/// it is; of every note its owner, type and length.
fn tell(report: &mut Report) -> Result<()> {
    let (dump, endian) = (Dump::open()?, LittleEndian);
    for segment in dump.segments()? {
        match segment.p_type(endian) {
            PT_LOAD => {
                ensure!(
                    segment.p_filesz(endian) == segment.p_memsz(endian),
                    "a piece of memory is not all there"
                );
                report.fact(&Fact::Dumped {
                    start: Hex(segment.p_paddr(endian)),
                    mapped: Hex(segment.p_vaddr(endian)),
                    bytes: Hex(segment.p_memsz(endian)),
                });
            }
            PT_NOTE => {}
            other => report.note(&format!("a program header of type {other:#x}")),
        }
    }
    for note in dump.all_notes()? {
        let name = String::from_utf8_lossy(note.name());
        report.fact(&Fact::Noted {
            owner: name.clone().into_owned(),
            kind: Hex(note.n_type(endian).into()),
            bytes: Hex(note.desc().len() as u64),
        });
        // The length of Linux's own is no matter: when it crashes it adds the time.
        if name == "VMCOREINFO" {
            let text = String::from_utf8_lossy(note.desc());
            for line in text
                .lines()
                .filter(|it| it.starts_with("OSRELEASE=") || it.starts_with("CRASHTIME="))
            {
                report.note(line);
            }
        }
    }
    Ok(())
}
