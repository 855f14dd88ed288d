//! The files of the system that is looked at: all that this program knows comes from here, so that a test can
//! give it a tree of its own.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The root directory of a system. It keeps in mind what it was not allowed to read.
pub struct Root {
    folder: PathBuf,
    unreadable: RefCell<Vec<String>>,
}

impl Root {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            unreadable: RefCell::default(),
        }
    }

    /// A file's text, without the white space around it; `None` if there is no such file, or it may not be read.
    pub fn text(&self, path: &str) -> Option<String> {
        let bytes = self.allowed(path, fs::read(self.folder.join(path)))?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// A number, in a file of its own.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// Whether a file says yes, as the kernel writes it.
    pub fn is_set(&self, path: &str) -> bool {
        matches!(self.text(path).as_deref(), Some("1" | "Y"))
    }

    pub fn exists(&self, path: &str) -> bool {
        self.folder.join(path).exists()
    }

    /// The names in a folder, in order.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join(path)).into_iter().flatten();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
        let mut names: Vec<_> = entries.flatten().filter_map(name).collect();
        names.sort_unstable();
        names
    }

    /// All that the kernel's log has (`/dev/kmsg`): a read gives one record of it, and says so if there are no more.
    pub fn log(&self) -> Option<String> {
        /// Larger than any record (`PRINTK_MESSAGE_MAX`).
        const RECORD: usize = 8192;
        /// Of Linux.
        const O_NONBLOCK: i32 = 0o4000;

        let path = "dev/kmsg";
        let mut options = OpenOptions::new();
        let options = options.read(true).custom_flags(O_NONBLOCK);
        let mut file: File = self.allowed(path, options.open(self.folder.join(path)))?;
        let mut log = Vec::new();
        let mut record = [0; RECORD];
        loop {
            match file.read(&mut record) {
                Ok(0) => break,
                Ok(len) => log.extend_from_slice(&record[..len]),
                // Records have gone while this was reading: it goes on behind them.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        Some(String::from_utf8_lossy(&log).into_owned())
    }

    /// What was there, and could not be read: not by this user, or not while this kernel is locked down.
    pub fn unreadable(&self) -> Vec<String> {
        let mut paths = self.unreadable.borrow().clone();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    fn allowed<T>(&self, path: &str, read: std::io::Result<T>) -> Option<T> {
        if let Err(error) = &read {
            if error.kind() == ErrorKind::PermissionDenied {
                let path = Path::new("/").join(path).display().to_string();
                self.unreadable.borrow_mut().push(path);
            }
        }
        read.ok()
    }
}
