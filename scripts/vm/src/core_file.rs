//! Memory in files, and two of them compared: the pieces of a core file, or all the memory of a machine.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, ReadCache};

pub const PAGE: u64 = 4096;

/// Memory at physical addresses, in a file.
pub struct Memory {
    file: File,
    pieces: Vec<Piece>,
}

/// A part of it without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start: u64,
    /// The first byte behind it.
    end: u64,
    offset: u64,
}

impl Memory {
    /// The memory that a core file has.
    pub fn of_core(path: &Path) -> Result<Self> {
        let name = || path.display().to_string();
        let file = File::open(path).with_context(name)?;
        let (endian, data) = (LittleEndian, &ReadCache::new(&file));
        let header = FileHeader64::<LittleEndian>::parse(data).with_context(name)?;
        let segments = header.program_headers(endian, data).with_context(name)?;
        let loads = segments.iter().filter(|it| it.p_type(endian) == PT_LOAD);
        let pieces = loads.map(|it| Piece {
            start: it.p_paddr(endian),
            end: it.p_paddr(endian) + it.p_filesz(endian),
            offset: it.p_offset(endian),
        });
        let pieces = pieces.collect();
        Ok(Self { file, pieces })
    }

    /// The memory of a machine from address 0 on, as it is in the file.
    pub fn of_machine(file: File) -> Result<Self> {
        let pieces = vec![Piece {
            start: 0,
            end: file.metadata()?.len(),
            offset: 0,
        }];
        Ok(Self { file, pieces })
    }

    /// Its pages, those that are cut included: start and length.
    pub fn pages(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.pieces.iter().flat_map(|piece| {
            let firsts = (piece.start / PAGE..piece.end.div_ceil(PAGE)).map(|page| page * PAGE);
            firsts.map(|first| {
                let start = first.max(piece.start);
                (start, (first + PAGE).min(piece.end) - start)
            })
        })
    }

    /// The `bytes` at `at`, if all of them are in one piece.
    pub fn read(&self, at: u64, bytes: u64) -> Result<Option<Vec<u8>>> {
        let whole = |piece: &&Piece| piece.start <= at && at + bytes <= piece.end;
        let Some(piece) = self.pieces.iter().find(whole) else {
            return Ok(None);
        };
        let mut data = vec![0; bytes as usize];
        let offset = piece.offset + (at - piece.start);
        self.file
            .read_exact_at(&mut data, offset)
            .with_context(|| format!("{at:#x}"))?;
        Ok(Some(data))
    }

    /// Whether both have the same at a page of this.
    pub fn agrees(&self, other: &Self, (at, bytes): (u64, u64)) -> Result<bool> {
        Ok(self.read(at, bytes)? == other.read(at, bytes)?)
    }

    /// Looks for everything that this has in `other`.
    pub fn compare(&self, other: &Self) -> Result<Comparison> {
        let mut found = Comparison::default();
        for (at, bytes) in self.pages() {
            let wanted = self.read(at, bytes)?.context("its own piece")?;
            found.bytes += bytes;
            match other.read(at, bytes)? {
                None => found.missing += bytes,
                Some(there) if there == wanted => found.equal += 1,
                Some(there) => {
                    let pairs = there.iter().zip(&wanted);
                    found.other_bytes += pairs.filter(|(there, wanted)| there != wanted).count();
                    found.differ.push((at, bytes));
                }
            }
        }
        Ok(found)
    }
}

/// What has become of all that is in one memory, in another one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    pub bytes: u64,
    pub missing: u64,
    pub equal: usize,
    /// Pages that are not: start and length.
    pub differ: Vec<(u64, u64)>,
    /// Bytes in them that are not the same.
    pub other_bytes: usize,
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn memory(data: &[u8], pieces: &[(u64, u64, u64)]) -> Memory {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(data, 0).unwrap();
        let pieces = pieces
            .iter()
            .map(|&(start, end, offset)| Piece { start, end, offset });
        let pieces = pieces.collect();
        Memory { file, pieces }
    }

    #[test]
    fn every_byte_is_looked_for_where_it_was() {
        let mut data = vec![7; 3 * PAGE as usize];
        let one = memory(&data, &[(0, 0x1800, 0), (0x3000, 0x4000, 0x2000)]);
        data[0x1400] = 8;
        let other = memory(&data, &[(0, 0x2000, 0)]);
        let found = one.compare(&other).unwrap();
        let expected = Comparison {
            bytes: 0x2800,
            missing: 0x1000,
            equal: 1,
            differ: vec![(0x1000, 0x800)],
            other_bytes: 1,
        };
        assert_eq!(found, expected);
        assert!(!one.agrees(&other, (0x1000, 0x800)).unwrap());
        assert!(one.agrees(&other, (0, 0x1000)).unwrap());
    }

    #[test]
    fn a_file_of_something_else_is_no_core_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[0; 100]).unwrap();
        assert!(Memory::of_core(file.path()).is_err());
    }
}
