//! A tree of files, and the archive that the kernel unpacks into its first file system.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{bail, Context, Result};
use cpio::newc;
use fs_err as fs;
use walkdir::WalkDir;

const EXECUTABLE: u32 = 0o100_755;
const REGULAR: u32 = 0o100_644;
pub(super) const DIRECTORY: u32 = 0o040_755;
const SYMLINK: u32 = 0o120_777;
pub(super) const CONSOLE: u32 = 0o020_600;

/// A tree of files, in the order of their names: a directory comes before what is in it.
#[derive(Default)]
pub(super) struct Tree(BTreeMap<String, (u32, Vec<u8>)>);

impl Tree {
    pub(super) fn add(&mut self, path: &str, mode: u32, data: Vec<u8>) {
        let mut parent = Path::new(path);
        while let Some(dir) = parent.parent().filter(|dir| *dir != Path::new("/")) {
            let dir_name = dir.display().to_string();
            self.0.entry(dir_name).or_insert((DIRECTORY, Vec::new()));
            parent = dir;
        }
        self.0.insert(path.to_owned(), (mode, data));
    }

    pub(super) fn file(&mut self, path: &str, data: Vec<u8>) {
        self.add(path, REGULAR, data);
    }

    pub(super) fn link(&mut self, path: &str, to: &str) {
        self.add(path, SYMLINK, to.as_bytes().to_vec());
    }

    /// A program of this system, where it is here.
    pub(super) fn own_program(&mut self, path: &str) -> Result<()> {
        self.program(Path::new(path), path)
    }

    /// A program, with the libraries that it is linked with.
    pub(super) fn program(&mut self, from: &Path, path: &str) -> Result<()> {
        self.add(path, EXECUTABLE, fs::read(from)?);
        let ldd = Command::new("ldd")
            .arg(from)
            .output()
            .context("cannot run ldd")?;
        // `name => /path (address)` or `/path (address)`; nothing like it for a static program.
        for line in String::from_utf8(ldd.stdout)?.lines() {
            let mut words = line.split_whitespace().filter(|word| word.starts_with('/'));
            if let Some(library) = words.next() {
                self.add(library, EXECUTABLE, fs::read(library)?);
            }
            if line.contains("not found") {
                bail!("{}: {}", from.display(), line.trim());
            }
        }
        Ok(())
    }

    /// All the files below a directory. What may be executed there may be executed here.
    pub(super) fn directory(&mut self, from: &Path, path: &str) -> Result<()> {
        for entry in WalkDir::new(from).min_depth(1) {
            let entry = entry?;
            if entry.file_type().is_dir() {
                continue;
            }
            let name = Path::new(path).join(entry.path().strip_prefix(from)?);
            let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
            let mode = if executable { EXECUTABLE } else { REGULAR };
            self.add(&name.display().to_string(), mode, fs::read(entry.path())?);
        }
        Ok(())
    }

    /// Writes the tree as a newc archive.
    pub(super) fn write(&self, out: impl Write) -> Result<()> {
        let entries = self.0.iter().map(|(path, (mode, data))| {
            let mut entry = newc::Builder::new(path.trim_start_matches('/')).mode(*mode);
            if *mode == CONSOLE {
                entry = entry.rdev_major(5).rdev_minor(1);
            }
            (entry, Cursor::new(data))
        });
        Ok(cpio::write_cpio(entries, out)?.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_directory_may_be_behind_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::create_dir(&real).unwrap();
        fs::write(real.join("file"), "data").unwrap();
        symlink(&real, &link).unwrap();
        let mut tree = Tree::default();
        tree.directory(&link, "/x").unwrap();
        assert_eq!(tree.0["/x/file"], (REGULAR, b"data".to_vec()));
    }

    #[test]
    fn an_archive_has_every_directory_before_what_is_in_it() {
        let mut tree = Tree::default();
        tree.file("/a/b/c", b"data".to_vec());
        tree.link("/a-link", "/a/b/c");
        let mut archive = Vec::new();
        tree.write(&mut archive).unwrap();
        let mut rest = &archive[..];
        let mut names = Vec::new();
        loop {
            let reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            names.push((reader.entry().name().to_owned(), reader.entry().mode()));
            rest = reader.finish().unwrap();
        }
        let expected = [
            ("a", DIRECTORY),
            ("a-link", SYMLINK),
            ("a/b", DIRECTORY),
            ("a/b/c", REGULAR),
        ];
        assert_eq!(names, expected.map(|(name, mode)| (name.to_owned(), mode)));
    }
}
