//! `/sys/kernel/debug/rkexec/identity_map`: what the loaded images will find mapped.
//!
//! The tables are walked when the file is read, as the processor will walk them. Their lines are
//! those of the `identity-map` command:
//!
//! ```text
//! # default image: 5 levels
//! 0000000000000000 000000000009ffff 4K WB
//! ...
//! table pages: 11
//! ```
//!
//! What is mapped at another than its own address stands in a comment, and that address nowhere: it
//! would tell where this kernel has its memory.

use core::fmt;

use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

use crate::pure::addr::Mfn;
use crate::pure::identity::{walk, Levels, Table};
use crate::sys::debugfs::Show;
use crate::sys::kexec_lock::KexecLock;
use crate::sys::kimage::{self, ImageView};
use crate::sys::log::Shown;

/// The page tables that an image will be entered with.
pub(super) struct Tables<'a> {
    /// The root.
    pub(super) root: Mfn,
    /// How many levels there are.
    pub(super) levels: Levels,
    /// The table in a frame, if there is one.
    pub(super) at: &'a dyn Fn(Mfn) -> Option<&'a Table>,
}

/// Finds the tables of a loaded image and shows them by the function. An image without tables is not
/// shown.
pub(super) type Find =
    fn(&KexecLock, &ImageView, &mut dyn FnMut(&Tables<'_>) -> fmt::Result) -> fmt::Result;

/// The name of the file.
pub(super) const NAME: &CStr = c"identity_map";

/// What the file shows, by the backend's way to find tables.
pub(super) struct IdentityMap(pub(super) Find);

impl Show for IdentityMap {
    /// # Errors
    ///
    /// `EBUSY`, as of the system calls: somebody is loading, unloading or starting an image.
    fn show(&self, file: &SeqFile) -> Result {
        let lock = KexecLock::try_take().ok_or(EBUSY)?;
        let loaded = Loaded {
            lock: &lock,
            find: self.0,
        };
        seq_print!(file, "{}", Shown(&loaded));
        Ok(())
    }
}

/// The images that are loaded while the lock is held.
struct Loaded<'a> {
    lock: &'a KexecLock,
    find: Find,
}

impl fmt::Display for Loaded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        kimage::loaded(self.lock).try_for_each(|(name, image)| {
            (self.find)(self.lock, image, &mut |tables| show_tables(name, tables, f))
        })
    }
}

fn show_tables(name: &str, tables: &Tables<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "# {name} image: {} levels", tables.levels.number())?;
    let mut shown = Ok(());
    let walked = walk(tables.root, tables.levels, tables.at, |mapping| {
        if shown.is_err() {
            return;
        }
        let run = mapping.run;
        shown = match mapping.is_identity() {
            true => writeln!(f, "{run}"),
            false => writeln!(f, "# elsewhere: {run}"),
        };
    });
    shown?;
    if walked.broken > 0 {
        writeln!(f, "# {} entries make no sense", walked.broken)?;
    }
    writeln!(f, "table pages: {}", walked.tables)
}
