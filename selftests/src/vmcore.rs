//! What a crash kernel checks: that `/proc/vmcore` is a dump of the kernel that has crashed, with
//! its [`Marker`]. [`dom0`] is what there is to check more if that was a dom0.

mod dom0;

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{ensure, Context, Result};
use object::elf::{FileHeader64, ProgramHeader64, ET_CORE, PT_LOAD, PT_NOTE};
use object::read::elf::{FileHeader, Note, ProgramHeader};
use object::LittleEndian;
use rkexec_protocol::{Marker, Told};
use sha2::{Digest, Sha256};

use crate::acpi;
use crate::expect::Expected;
use crate::files;
use crate::report::Report;

pub const VMCORE: &str = "/proc/vmcore";
const PAGE: usize = 4096;
/// More than enough for the headers of any test machine's dump, notes included.
const HEADERS: usize = 1 << 20;

type Segment = ProgramHeader64<LittleEndian>;

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

pub struct Dump {
    file: File,
    headers: Vec<u8>,
}

impl Dump {
    pub fn open() -> Result<Self> {
        let file = File::open(VMCORE).context(VMCORE)?;
        let mut headers = vec![0; HEADERS];
        let got = file.read_at(&mut headers, 0).context(VMCORE)?;
        headers.truncate(got);
        Ok(Self { file, headers })
    }

    pub fn segments(&self) -> Result<&[Segment]> {
        let headers = &*self.headers;
        let header = FileHeader64::<LittleEndian>::parse(headers)?;
        ensure!(
            header.e_type.get(LittleEndian) == ET_CORE,
            "it is no core file"
        );
        Ok(header.program_headers(LittleEndian, headers)?)
    }

    fn loads(&self) -> Result<Vec<&Segment>> {
        let segments = self.segments()?.iter();
        Ok(segments
            .filter(|it| it.p_type(LittleEndian) == PT_LOAD)
            .collect())
    }

    /// What the notes say that have this name, and this type if one is given.
    fn notes(&self, name: &[u8], kind: Option<u32>) -> Result<Vec<&[u8]>> {
        let wanted = |note: &Note<'_, FileHeader64<LittleEndian>>| {
            note.name() == name && kind.is_none_or(|kind| note.n_type(LittleEndian) == kind)
        };
        let all = self.all_notes()?.into_iter();
        Ok(all.filter(wanted).map(|note| note.desc()).collect())
    }

    pub fn all_notes(&self) -> Result<Vec<Note<'_, FileHeader64<LittleEndian>>>> {
        let segments = self.segments()?.iter();
        let mut found = Vec::new();
        for segment in segments.filter(|it| it.p_type(LittleEndian) == PT_NOTE) {
            let notes = segment.notes(LittleEndian, &*self.headers)?;
            let mut notes = notes.context("notes without a place")?;
            while let Some(note) = notes.next()? {
                found.push(note);
            }
        }
        Ok(found)
    }

    fn page(&self, at: u64) -> Result<[u8; PAGE]> {
        let offset = self.loads()?.into_iter().find_map(|it| {
            let inside = at.checked_sub(it.p_paddr(LittleEndian))?;
            let here = inside < it.p_filesz(LittleEndian);
            here.then(|| it.p_offset(LittleEndian) + inside)
        });
        let offset = offset.with_context(|| format!("{at:#x} is not in the dump"))?;
        let mut page = [0; PAGE];
        self.file.read_exact_at(&mut page, offset)?;
        Ok(page)
    }

    /// Checks that the crashed Linux tells its version, and when it has crashed if it has noticed.
    fn expect_release(&self, release: &str, panicked: bool) -> Result<()> {
        let notes = self.notes(b"VMCOREINFO", None)?;
        let [info] = *notes else {
            anyhow::bail!("{} notes VMCOREINFO", notes.len())
        };
        let info = String::from_utf8_lossy(info);
        let line = format!("OSRELEASE={release}");
        ensure!(info.lines().any(|it| it == line), "no {line} in:\n{info}");
        let told = info.lines().any(|it| it.starts_with("CRASHTIME="));
        ensure!(told == panicked, "CRASHTIME is there: {told}");
        Ok(())
    }
}
