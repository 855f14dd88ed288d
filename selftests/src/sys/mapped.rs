//! Files as memory.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use memmap2::Mmap;

/// Maps the file at `path`. It takes no memory besides the page cache's, which is where the files
/// of an initramfs are anyway.
pub fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    // SAFETY: The files of a test machine are written before they are mapped, and by nobody else.
    unsafe { Mmap::map(&file) }.with_context(|| path.display().to_string())
}
