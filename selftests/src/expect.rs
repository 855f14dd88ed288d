//! What stage 1 writes down for stage 2: what the next kernel must find.

use anyhow::{Context, Result};
use rkexec_protocol::choice::{Lockdown, Way};
use serde::{Deserialize, Serialize};

use crate::memory::Map;
use crate::xen::Range;

/// The directory of the two.
pub const DIR: &str = "/handed";
/// Where stage 2 finds it, and where the initrd's archive has it.
pub const PATH: &str = "/handed/expected.json";
/// Where stage 2 finds the random bytes.
pub const BLOB_PATH: &str = "/handed/blob";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    pub cmdline: String,
    /// The machine's memory, as stage 1 saw it (in a dom0: as Xen says).
    pub memory: Map,
    /// The SHA-256 of [`BLOB_PATH`], in hexadecimal.
    pub blob_sha256: String,
    /// Its length.
    pub blob_bytes: u64,
    /// If it is there for a crash of a dom0: what that leaves behind.
    pub crash: Option<Crash>,
}

/// What a crash kernel must find of the dom0 that has crashed, and of its Xen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    pub area: Range,
    /// Who has loaded it, and so made the head of the dump (its ELF core header): for `kexec_file_load(2)`
    /// the module; for `kexec_load(2)` these tests, which do not know where low memory is kept; or
    /// kexec-tools, which leave out what Linux knows of itself.
    pub way: Way,
    pub xen: String,
    pub release: String,
    pub cpus: usize,
    /// Whether dom0 panics, and so knows when it has crashed.
    pub panics: bool,
    /// Pages of the machine's low memory, by number, with their SHA-256 in hexadecimal.
    pub low: Vec<(u64, String)>,
}

impl Expected {
    pub fn read() -> Result<Self> {
        let text = std::fs::read(PATH).context(PATH)?;
        serde_json::from_slice(&text).context(PATH)
    }
}

/// `line`, a command line, without what makes a kernel lock itself down, which has to come first:
/// nothing on the given line can then undo it.
pub fn without_lockdown(line: &str, level: Option<Lockdown>) -> Result<&str> {
    let Some(level) = level else {
        return Ok(line);
    };
    line.strip_prefix(&format!("lockdown={level} "))
        .with_context(|| format!("it does not begin with lockdown={level}: {line:?}"))
}
