//! The dump, as an ELF core file.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{ensure, Context, Result};
use object::elf::{FileHeader64, ProgramHeader64, ET_CORE, PT_LOAD, PT_NOTE};
use object::read::elf::{FileHeader, Note, ProgramHeader};
use object::LittleEndian;

pub const VMCORE: &str = "/proc/vmcore";
pub const PAGE: usize = 4096;
/// More than enough for the headers of any test machine's dump, notes included.
const HEADERS: usize = 1 << 20;

type Segment = ProgramHeader64<LittleEndian>;

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

    pub fn loads(&self) -> Result<Vec<&Segment>> {
        let segments = self.segments()?.iter();
        Ok(segments
            .filter(|it| it.p_type(LittleEndian) == PT_LOAD)
            .collect())
    }

    /// What the notes say that have this name, and this type if one is given.
    pub fn notes(&self, name: &[u8], kind: Option<u32>) -> Result<Vec<&[u8]>> {
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

    pub fn page(&self, at: u64) -> Result<[u8; PAGE]> {
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
    pub fn expect_release(&self, release: &str, panicked: bool) -> Result<()> {
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
