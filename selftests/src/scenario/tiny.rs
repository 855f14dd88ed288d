//! A tiny image, which one load after the other puts in place of itself while something fails.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;

use libc::{EADDRNOTAVAIL, EFAULT, ENOMEM};
use rkexec_protocol::scenario::FailNth;

use super::crash;
use super::prelude::*;
use super::probe::{bz_image, PROBE};

const PAGES: u64 = 4;
const REFUSED: &str = "rkexec: image not loaded: ";
/// What the caller is told when it is dom0 that has no memory, or the caller.
pub const ERRNOS: [(i32, &str); 3] = [
    (ENOMEM, "ENOMEM"),
    (EFAULT, "EFAULT"),
    (EADDRNOTAVAIL, "EADDRNOTAVAIL"),
];

/// What became of a load: its error, or nothing if it got over the failure; and the module's reason, if it was that.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub errno: Option<i32>,
    pub why: Option<String>,
}

pub struct Tiny {
    pub fail: FailNth,
    pub xen: Option<Xen>,
    file: File,
    data: Vec<u8>,
    /// Where `kexec_load` puts it.
    place: u64,
}

/// The smallest kernel for `kexec_file_load`.
pub fn file() -> Result<File> {
    const FILE: &str = "/tiny.bzimage";
    let probe = fs::read(PROBE).context(PROBE)?;
    fs::write(FILE, bz_image(&probe)).context(FILE)?;
    File::open(FILE).context(FILE)
}

impl Tiny {
    pub fn new(fail: FailNth) -> Result<Self> {
        let place = match fail.crash {
            true => crash::areas()?.first().context("no crash area")?.0,
            false => PLACE,
        };
        Ok(Self {
            fail,
            file: file()?,
            data: vec![0xcc; (PAGE * PAGES) as usize],
            place,
            xen: xen::is_dom0().then(Xen::open).transpose()?,
        })
    }

    /// What is there before anything fails: it is loaded, and beside a crash image a default one.
    pub fn begin(&self) -> Result<()> {
        if self.fail.crash {
            let segment = Segment::new(&self.data, PLACE, PAGE * PAGES);
            kexec::load(PLACE, &[segment], kexec::ARCH_X86_64).context("a default image")?;
        }
        (0..2).try_for_each(|_| self.load().context("without any failure"))
    }

    /// Loads it, by one system call and nothing else.
    pub fn load(&self) -> io::Result<()> {
        let FailNth { call, crash, .. } = self.fail;
        match call {
            Call::File => {
                let flags = if crash { kexec::FILE_ON_CRASH } else { 0 };
                kexec::file_load(self.file.as_fd(), None, c"", flags)
            }
            Call::Load => {
                let flags = if crash { kexec::ON_CRASH } else { 0 };
                let segment = Segment::new(&self.data, self.place, PAGE * PAGES);
                kexec::load(self.place, &[segment], kexec::ARCH_X86_64 | flags)
            }
        }
    }

    pub fn unload(&self) -> io::Result<()> {
        match (self.fail.call, self.fail.crash) {
            (Call::File, false) => kexec::file_unload(),
            (Call::File, true) => kexec::file_unload_crash(),
            (Call::Load, false) => kexec::unload(),
            (Call::Load, true) => kexec::unload_crash(),
        }
    }

    pub fn xen_free(&self) -> Result<u64> {
        self.xen.as_ref().map_or(Ok(0), Xen::free_pages)
    }

    /// All that has to be the same after a load that has failed.
    fn state(&self) -> Result<(String, u64)> {
        kexec::expect_loaded(true)?;
        let map = module::map("default")?.join("\n");
        // The crash image that was there went first, and what Xen had for it.
        let free = if self.fail.crash { 0 } else { self.xen_free()? };
        Ok((map, free))
    }

    /// Loads it by way of `failing`, which also tells whether anything has failed. Nothing, if it has not.
    pub fn load_by(
        &self,
        failing: impl FnOnce(&dyn Fn() -> io::Result<()>) -> Result<(io::Result<()>, bool)>,
    ) -> Result<Option<Outcome>> {
        let before = self.state()?;
        let mut log = KernelLog::from_now_on()?;
        let (result, failed) = failing(&|| self.load())?;
        let lines = log.lines()?;
        let mut said = lines.iter().filter_map(|line| line.split_once(REFUSED));
        let why = said.next().map(|(_, why)| why.to_owned());
        ensure!(said.next().is_none(), "the log says it twice: {lines:?}");
        let Err(error) = result else {
            ensure!(why.is_none(), "it is loaded, and refused: {why:?}");
            return Ok(failed.then_some(Outcome { errno: None, why }));
        };
        ensure!(failed, "without a failure: {error}");
        let after = self.state()?;
        ensure!(before == after, "it was {before:?}, and is {after:?}");
        let errno = error.raw_os_error();
        Ok(Some(Outcome { errno, why }))
    }
}
