//! The sockets on which QEMU answers questions beside the serial port.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A socket of one machine's, that goes with this value. Not beside the log: such a path must be
/// short.
pub struct Socket {
    id: &'static str,
    path: PathBuf,
}

impl Socket {
    /// One for the purpose `id`, which QEMU calls it by, too.
    pub fn new(id: &'static str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("vm-{}-{number}.{id}", std::process::id());
        let path = std::env::temp_dir().join(name);
        Self { id, path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// QEMU's arguments for it, and what `option` with `value` makes of it.
    pub fn qemu_args(&self, option: &str, value: &str) -> [String; 4] {
        let (id, path) = (self.id, self.path.display());
        [
            "-chardev".to_owned(),
            format!("socket,id={id},server=on,wait=off,path={path}"),
            option.to_owned(),
            value.to_owned(),
        ]
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
