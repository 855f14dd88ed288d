//! What a crash kernel checks: that `/proc/vmcore` is a dump of the kernel that has crashed.
//!
//! That kernel leaves a *marker*: a page of random bytes, of which it tells the physical address and
//! the SHA-256 on the crash kernel's command line. Whoever finds them in the dump has the right
//! memory at the right place.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use anyhow::{ensure, Context, Result};
use object::elf::{FileHeader64, ET_CORE, PT_LOAD, PT_NOTE};
use object::read::elf::{FileHeader, ProgramHeader};
use object::LittleEndian;
use sha2::{Digest, Sha256};

use crate::acpi;
use crate::initrd;
use crate::params::Params;
use crate::report::Report;

const VMCORE: &str = "/proc/vmcore";
const PAGE: usize = 4096;
/// More than enough for the headers of any test machine's dump, notes included.
const HEADERS: usize = 1 << 20;

/// A page of random bytes, where it is in memory, and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    at: u64,
    sha256: String,
}

impl Marker {
    /// Leaves one in memory, for as long as this process lives.
    ///
    /// # Errors
    ///
    /// The kernel does not tell where the page is.
    pub fn leave() -> Result<Self> {
        let mut random = Vec::with_capacity(PAGE);
        let digest = initrd::write_random(&mut random, PAGE as u64)?;
        let room = Box::leak(vec![0; 2 * PAGE].into_boxed_slice());
        let at = room.as_ptr().align_offset(PAGE);
        let page = &mut room[at..at + PAGE];
        page.copy_from_slice(&random);
        Ok(Self {
            at: physical(page.as_ptr().addr())?,
            sha256: hex::encode(digest),
        })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{}", self.at, self.sha256)
    }
}

impl FromStr for Marker {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (at, sha256) = text.split_once(':').context("a marker is AT:SHA256")?;
        Ok(Self {
            at: u64::from_str_radix(at, 16)?,
            sha256: sha256.to_owned(),
        })
    }
}

/// The physical address of the page at the virtual address `at` of this process
/// (Documentation/admin-guide/mm/pagemap.rst).
fn physical(at: usize) -> Result<u64> {
    const PRESENT: u64 = 1 << 63;
    const FRAME: u64 = (1 << 55) - 1;
    let mut entry = [0; 8];
    let pagemap = File::open("/proc/self/pagemap").context("/proc/self/pagemap")?;
    pagemap.read_exact_at(&mut entry, (at / PAGE * size_of::<u64>()) as u64)?;
    let entry = u64::from_le_bytes(entry);
    ensure!(
        entry & PRESENT != 0,
        "a page of this process is not in memory"
    );
    Ok((entry & FRAME) * PAGE as u64)
}

/// Runs the checks.
///
/// # Errors
///
/// Nothing could be checked.
pub fn check(report: &mut Report, params: &Params) -> Result<()> {
    let marker: Marker = params.need("marker")?;
    report.test("it has found the tables of ACPI", acpi::is_found);
    let file = File::open(VMCORE).context(VMCORE)?;
    let mut headers = vec![0; HEADERS];
    let got = file.read_at(&mut headers, 0).context(VMCORE)?;
    headers.truncate(got);
    report.test("/proc/vmcore is an ELF core file with notes", |report| {
        let (header, segments) = parse(&headers)?;
        ensure!(
            header.e_type.get(LittleEndian) == ET_CORE,
            "it is no core file"
        );
        let loads = segments
            .iter()
            .filter(|it| it.p_type(LittleEndian) == PT_LOAD);
        let bytes: u64 = loads.clone().map(|it| it.p_memsz(LittleEndian)).sum();
        report.note(&format!(
            "{} pieces of memory, {} MiB",
            loads.count(),
            bytes >> 20
        ));
        let notes = segments
            .iter()
            .find(|it| it.p_type(LittleEndian) == PT_NOTE);
        let notes = notes.context("there are no notes")?;
        let mut text = vec![0; usize::try_from(notes.p_filesz(LittleEndian))?];
        file.read_exact_at(&mut text, notes.p_offset(LittleEndian))?;
        for name in [&b"VMCOREINFO"[..], b"OSRELEASE=", b"CORE"] {
            let found = text.windows(name.len()).any(|it| it == name);
            ensure!(found, "no note with {}", String::from_utf8_lossy(name));
        }
        Ok(())
    });
    report.test("the crashed kernel's marker is where it was", |_| {
        let (_, segments) = parse(&headers)?;
        let offset = segments.iter().find_map(|it| {
            let inside = marker.at.checked_sub(it.p_paddr(LittleEndian))?;
            let here = it.p_type(LittleEndian) == PT_LOAD && inside < it.p_filesz(LittleEndian);
            here.then(|| it.p_offset(LittleEndian) + inside)
        });
        let offset = offset.with_context(|| format!("{:#x} is not in the dump", marker.at))?;
        let mut page = [0; PAGE];
        file.read_exact_at(&mut page, offset)?;
        let digest = hex::encode(Sha256::digest(page));
        ensure!(
            digest == marker.sha256,
            "{digest} at {:#x}, not {}",
            marker.at,
            marker.sha256
        );
        Ok(())
    });
    Ok(())
}

type Segments<'a> = &'a [<FileHeader64<LittleEndian> as FileHeader>::ProgramHeader];

fn parse(headers: &[u8]) -> Result<(&FileHeader64<LittleEndian>, Segments<'_>)> {
    let header = FileHeader64::<LittleEndian>::parse(headers)?;
    Ok((header, header.program_headers(LittleEndian, headers)?))
}
