//! What stage 1 writes down for stage 2: what the next kernel must find.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::memory::Map;

/// The directory of the two.
pub const DIR: &str = "/handed";
/// Where stage 2 finds it, and where the initrd's archive has it.
pub const PATH: &str = "/handed/expected.json";
/// Where stage 2 finds the random bytes.
pub const BLOB_PATH: &str = "/handed/blob";

/// What the next kernel must find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Its command line, exactly.
    pub cmdline: String,
    /// The machine's memory, as stage 1 saw it (in a dom0: as Xen says).
    pub memory: Map,
    /// The SHA-256 of [`BLOB_PATH`], in hexadecimal.
    pub blob_sha256: String,
    /// Its length.
    pub blob_bytes: u64,
}

impl Expected {
    /// Reads what the initrd brought along.
    ///
    /// # Errors
    ///
    /// It is not there, or not whole.
    pub fn read() -> Result<Self> {
        let text = std::fs::read(PATH).context(PATH)?;
        serde_json::from_slice(&text).context(PATH)
    }
}
