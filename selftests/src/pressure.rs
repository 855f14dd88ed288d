//! Memory pressure: much memory of this system, full of what can be told from anything else.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

use crate::files;

const DIR: &str = "/pressure";
const MIB: usize = 1 << 20;

/// Files in a tmpfs of their own.
pub struct Pressure {
    files: Vec<(PathBuf, u64)>,
}

impl Pressure {
    /// Nothing yet, and room for so many MiB.
    pub fn mount(mib: u64) -> Result<Self> {
        files::mount("tmpfs", DIR, Some(&format!("size={mib}m")))?;
        Ok(Self { files: Vec::new() })
    }

    pub fn fill(&mut self, mib: u64) -> Result<()> {
        let number = self.files.len() as u64;
        let path = Path::new(DIR).join(number.to_string());
        File::create(&path).with_context(|| path.display().to_string())?;
        write(number, &path, mib)?;
        self.files.push((path, mib));
        Ok(())
    }

    /// Writes all of it once more, to the same pages.
    pub fn rewrite(&self) -> Result<()> {
        let mut files = (0..).zip(&self.files);
        files.try_for_each(|(number, (path, mib))| write(number, path, *mib))
    }

    /// Checks that all of it is as it was written.
    pub fn check(&self) -> Result<()> {
        let (mut expected, mut found) = (vec![0; MIB], vec![0; MIB]);
        for (number, (path, mib)) in (0..).zip(&self.files) {
            let name = path.display();
            let mut file = File::open(path).with_context(|| name.to_string())?;
            for part in 0..*mib {
                pattern((number << 32) | part, &mut expected);
                file.read_exact(&mut found)
                    .with_context(|| name.to_string())?;
                ensure!(found == expected, "{name} has changed in MiB {part}");
            }
        }
        Ok(())
    }
}

fn write(number: u64, path: &Path, mib: u64) -> Result<()> {
    let name = || path.display().to_string();
    let file = File::options().write(true).open(path);
    let mut file = file.with_context(name)?;
    let mut chunk = vec![0; MIB];
    for part in 0..mib {
        pattern((number << 32) | part, &mut chunk);
        file.write_all(&chunk).with_context(name)?;
    }
    Ok(())
}

/// Words that differ from each other, and from those of another part. Cheaper than random ones with
/// a digest: this runs on an emulated processor.
fn pattern(part: u64, chunk: &mut [u8]) {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let first = part * (MIB / size_of::<u64>()) as u64;
    for (number, word) in (first + 1..).zip(chunk.chunks_exact_mut(size_of::<u64>())) {
        word.copy_from_slice(&number.wrapping_mul(ODD).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_is_like_another_one() {
        let (mut first, mut second) = (vec![0; MIB], vec![0; MIB]);
        pattern(7, &mut first);
        pattern(8, &mut second);
        let mut pages: Vec<_> = first.chunks(4096).chain(second.chunks(4096)).collect();
        pages.sort_unstable();
        pages.dedup();
        assert_eq!(pages.len(), 512);
    }
}
