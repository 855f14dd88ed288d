//! The initrd for the next kernel: a base archive, random bytes, and what to expect.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use cpio::newc;
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use sha2::{Digest, Sha256};

use crate::expect::{self, Crash, Expected};
use crate::memory::Map;

/// The directories of a test machine that are not of this boot only.
const SYSTEM: [&str; 7] = ["/bin", "/boot", "/etc", "/init", "/lib", "/lib64", "/usr"];

const REGULAR: u32 = 0o100_644;
const DIRECTORY: u32 = 0o040_755;

/// Bytes that are read, or made, at once.
const CHUNK: usize = 1 << 18;

/// An initrd under construction: a base archive, and one behind it.
pub struct Initrd {
    out: BufWriter<File>,
    inode: u32,
}

impl Initrd {
    pub fn upon(base: &Path, target: &Path) -> Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(target)?);
        let mut base = File::open(base).with_context(|| base.display().to_string())?;
        let copied = std::io::copy(&mut base, &mut out)?;
        // The kernel looks for an archive behind another one only where a multiple of 4 begins.
        out.write_all(&[0; 3][..(copied.wrapping_neg() % 4) as usize])?;
        Ok(Self { out, inode: 1 })
    }

    fn entry(&mut self, path: &str, mode: u32) -> newc::Builder {
        self.inode += 1;
        newc::Builder::new(path.trim_start_matches('/'))
            .mode(mode)
            .ino(self.inode)
    }

    fn add(&mut self, path: &str, mode: u32, data: &[u8]) -> Result<()> {
        let entry = self.entry(path, mode);
        let mut file = entry.write(&mut self.out, u32::try_from(data.len())?);
        file.write_all(data)?;
        file.finish()?;
        Ok(())
    }

    pub fn file(&mut self, path: &str, data: &[u8]) -> Result<()> {
        self.add(path, REGULAR, data)
    }

    /// Adds what is at `path` of the running system, and below it.
    fn tree(&mut self, path: &Path) -> Result<()> {
        let name = path.display().to_string();
        let Ok(about) = path.symlink_metadata() else {
            return Ok(());
        };
        let data = if about.is_dir() {
            Vec::new()
        } else if about.is_symlink() {
            path.read_link()?.into_os_string().into_vec()
        } else {
            std::fs::read(path).with_context(|| name.clone())?
        };
        self.add(&name, about.mode(), &data)?;
        if about.is_dir() {
            let entries = std::fs::read_dir(path)?.map(|it| it.map(|it| it.path()));
            let mut below = entries.collect::<Result<Vec<_>, _>>()?;
            below.sort();
            below.iter().try_for_each(|path| self.tree(path))?;
        }
        Ok(())
    }

    /// Adds a file of random bytes, and gives their SHA-256.
    fn random_file(&mut self, path: &str, bytes: u64) -> Result<[u8; 32]> {
        let size = u32::try_from(bytes).context("a file in a newc archive is below 4 GiB")?;
        let entry = self.entry(path, REGULAR);
        let mut file = entry.write(&mut self.out, size);
        let digest = write_random(&mut file, bytes)?;
        file.finish()?;
        Ok(digest)
    }

    pub fn finish(mut self) -> Result<()> {
        newc::trailer(&mut self.out)?;
        // A length that is no multiple of the page size, so that the last page is a partial one.
        if self.out.stream_position()? % 4096 == 0 {
            self.out.write_all(&[0; 4])?;
        }
        Ok(self.out.flush()?)
    }
}

/// What an initrd has beside its base and what to expect.
#[derive(Clone, Debug)]
pub struct Contents {
    pub blob_bytes: u64,
    /// Whether the whole running system is in it: a kernel that can do all that this one can.
    pub system: bool,
    /// What a crash of this system will leave behind.
    pub crash: Option<Crash>,
}

/// Builds the initrd for the next kernel at `target`: `base`, `contents`, and what to expect.
pub fn build(
    base: &Path,
    target: &Path,
    contents: Contents,
    cmdline: &str,
    memory: Map,
) -> Result<Expected> {
    let blob_bytes = contents.blob_bytes;
    let mut initrd = Initrd::upon(base, target)?;
    if contents.system {
        for name in SYSTEM {
            initrd.tree(Path::new(name))?;
        }
    }
    initrd.add(expect::DIR, DIRECTORY, &[])?;
    let digest = initrd.random_file(expect::BLOB_PATH, blob_bytes)?;
    let expected = Expected {
        cmdline: cmdline.to_owned(),
        memory,
        blob_sha256: hex::encode(digest),
        blob_bytes,
        crash: contents.crash,
    };
    initrd.file(expect::PATH, &serde_json::to_vec(&expected)?)?;
    initrd.finish()?;
    Ok(expected)
}

pub fn digest_of(path: &Path) -> Result<(String, u64)> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let mut file = BufReader::with_capacity(CHUNK, file);
    let mut hash = Sha256::new();
    let bytes = std::io::copy(&mut file, &mut hash)?;
    Ok((hex::encode(hash.finalize()), bytes))
}

/// Bytes that differ in every page and in every run, so that a page in the wrong place, a zeroed
/// one or one of an earlier run shows. The seed is the kernel's, the rest is a fast generator:
/// this runs on an emulated processor.
pub(crate) fn write_random(out: &mut impl Write, bytes: u64) -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let mut random = Xoshiro256PlusPlus::from_seed(seed);
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(chunk.len() as u64);
        let part = &mut chunk[..now as usize];
        random.fill_bytes(part);
        hash.update(&*part);
        out.write_all(part)?;
        left -= now;
    }
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initrd_holds_the_base_the_blob_and_what_to_expect() {
        let dir = std::env::temp_dir().join(format!("rkexec-initrd-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (base, target) = (dir.join("base"), dir.join("initrd"));
        std::fs::write(&base, b"12345").unwrap();
        let contents = Contents {
            blob_bytes: 10_000,
            system: false,
            crash: None,
        };
        let expected = build(&base, &target, contents, "quiet", Map::default()).unwrap();
        let bytes = std::fs::read(&target).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(&bytes[..8], b"12345\0\0\0");
        assert_ne!(bytes.len() % 4096, 0);

        let mut rest = &bytes[8..];
        let mut names = Vec::new();
        loop {
            let mut reader = newc::Reader::new(rest).unwrap();
            let name = reader.entry().name().to_owned();
            if reader.entry().is_trailer() {
                break;
            }
            let mut data = Vec::new();
            reader.read_to_end(&mut data).unwrap();
            rest = reader.finish().unwrap();
            if name == "handed/blob" {
                assert_eq!(hex::encode(Sha256::digest(&data)), expected.blob_sha256);
            }
            if name == "handed/expected.json" {
                assert_eq!(serde_json::from_slice::<Expected>(&data).unwrap(), expected);
            }
            names.push(name);
        }
        assert_eq!(names, ["handed", "handed/blob", "handed/expected.json"]);
    }
}
