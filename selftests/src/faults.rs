//! Failures that the kernel makes up (Documentation/fault-injection): allocations of all kinds, and copies from
//! and to user space, by their number in what one thread does; and what Xen answers to the module.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{bail, Context, Result};

use crate::files;

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

/// A function of the module's that does nothing but one hypercall, whose answer is made up while this lives.
pub struct Answers(&'static str);

impl Answers {
    const DIR: &'static str = "/sys/kernel/debug/fail_function";

    pub fn of(function: &'static str) -> Result<Self> {
        let set = |name: &str, value: &str| {
            let path = Path::new(Self::DIR).join(name);
            fs::write(&path, value).with_context(|| path.display().to_string())
        };
        set("verbose", "0")?;
        set("times", "0")?;
        set("probability", "100")?;
        set("inject", function)?;
        Ok(Self(function))
    }

    /// Does this `work`, in which its `number`-th call does not happen, and is answered by this error. Whether it
    /// came so far, too.
    pub fn nth<T>(&self, number: u32, errno: i32, work: impl FnOnce() -> T) -> Result<(T, bool)> {
        let path = |name: &str| format!("{}/{name}", Self::DIR);
        let set =
            |name: &str, value: String| fs::write(path(name), value).with_context(|| path(name));
        let answer = i64::from(-errno) as u64;
        set(&format!("{}/retval", self.0), format!("{answer:#x}"))?;
        // Each call takes one of what is there, down to the last.
        set("space", number.to_string())?;
        set("times", "1".to_owned())?;
        let result = work();
        let left: i64 = files::value(&path("times"))?;
        set("times", "0".to_owned())?;
        Ok((result, left == 0))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // Without a name all functions are as they were.
        let _ = fs::write(Path::new(Self::DIR).join("inject"), "\n");
    }
}
