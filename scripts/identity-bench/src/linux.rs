//! Linux's builder: the library that linux/build makes.

use std::path::Path;

use anyhow::{ensure, Context, Result};
use libloading::{Library, Symbol};
use rkexec::identity::Table;
use rkexec::range::MaRange;

use crate::PAGING;

/// What linux/glue.c has.
type IdentityMap = unsafe extern "C" fn(
    tables: *mut Table,
    nr_tables: usize,
    ranges: *const LinuxRange,
    nr_ranges: usize,
    gib_pages: bool,
) -> usize;

/// `struct range` of linux/glue.c.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct LinuxRange {
    start: u64,
    end: u64,
}

impl From<MaRange> for LinuxRange {
    fn from(range: MaRange) -> Self {
        Self {
            start: range.start().raw(),
            end: range.end().raw(),
        }
    }
}

/// The library.
pub struct Linux(Library);

impl Linux {
    /// Loads it.
    pub fn load(path: &Path) -> Result<Self> {
        // A name without a slash would be looked for in the system's folders.
        let path = path
            .canonicalize()
            .with_context(|| path.display().to_string())?;
        // SAFETY: what linux/build makes has nothing that runs when it is loaded or unloaded. That
        // it is such a file is the caller's word: another one is not ours to tell from it.
        Ok(Self(unsafe { Library::new(&path) }?))
    }

    /// The builder, found once for all calls.
    pub fn builder(&self) -> Result<Builder<'_>> {
        // SAFETY: linux/glue.c defines it with this type: pointers to what has the same layout,
        // `size_t` is `usize`, and both have one `bool`.
        Ok(Builder(unsafe { self.0.get(b"linux_identity_map\0") }?))
    }
}

/// A function of the library.
pub struct Builder<'a>(Symbol<'a, IdentityMap>);

impl Builder<'_> {
    /// Maps the ranges with the first of `tables`, and returns how many they are. Their addresses
    /// are those of this process.
    pub fn identity_map(&self, ranges: &[LinuxRange], tables: &mut [Table]) -> Result<usize> {
        // SAFETY:
        // - `tables` and `ranges` are as long as is said, and live until the function returns; it
        //   keeps no pointer.
        // - A `Table` is 4096 bytes, aligned to as many, and any bytes are a valid one.
        let nr = unsafe {
            (self.0)(
                tables.as_mut_ptr(),
                tables.len(),
                ranges.as_ptr(),
                ranges.len(),
                PAGING.gib_pages,
            )
        };
        ensure!(nr > 0, "Linux needs more than {} tables", tables.len());
        Ok(nr)
    }
}
