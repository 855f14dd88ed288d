//! Failures that the kernel makes up (Documentation/fault-injection): allocations of all kinds, and copies from
//! and to user space, by their number in what one thread does.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{bail, Context, Result};

const DIR: &str = "/sys/kernel/debug";
/// The thread's own: how many to come until one fails; 0 is none.
const NTH: &str = "/proc/thread-self/fail-nth";
/// Else only those fail that may not wait, and each is told with a stack.
const SETTINGS: [(&str, &str); 7] = [
    ("failslab/ignore-gfp-wait", "N"),
    ("failslab/verbose", "0"),
    ("fail_page_alloc/ignore-gfp-wait", "N"),
    ("fail_page_alloc/ignore-gfp-highmem", "N"),
    ("fail_page_alloc/min-order", "0"),
    ("fail_page_alloc/verbose", "0"),
    ("fail_usercopy/verbose", "0"),
];

/// Lets all of them fail that can.
pub fn prepare() -> Result<()> {
    for (name, value) in SETTINGS {
        let path = Path::new(DIR).join(name);
        fs::write(&path, value).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Does this `work`, in which the `number`-th of them is to fail. Whether it came so far, too.
///
/// The work should be one system call, and nothing that this thread allocates for.
pub fn nth<T>(number: u32, work: impl FnOnce() -> T) -> Result<(T, bool)> {
    /// Those that may be left over: one for each copy that these few lines make.
    const TRIES: usize = 4;
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(NTH).context(NTH)?;
    let text = number.to_string();
    let mut left = [0; 16];
    file.write_at(text.as_bytes(), 0).context(NTH)?;
    let result = work();
    // To read it is a copy, too. If that is what fails, the work was not.
    let failed = file.read_at(&mut left, 0).is_ok_and(|_| left[0] == b'0');
    for _ in 0..TRIES {
        if file.write_at(b"0", 0).is_ok() {
            return Ok((result, failed));
        }
    }
    bail!("{NTH} cannot be set back")
}
