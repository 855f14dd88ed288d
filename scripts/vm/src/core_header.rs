//! The ELF core header of a crash image is changed, as the kernel changes it when memory comes or goes: that is
//! none of the hand-over's business.

use std::sync::LazyLock;

use anyhow::{ensure, Context, Result};
use qemu::Ram;
use regex::Regex;

use crate::ending::{Ending, Outside};

/// The crash area, at whose beginning the kernel puts the header.
static AREA: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"crashkernel reserved: 0x([0-9a-f]+) -").expect("a constant"));

/// One machine's way to its crash kernel.
#[derive(Default)]
pub struct CoreHeader(Option<u64>);

impl Ending for CoreHeader {
    fn line(&mut self, line: &str, _: &mut Outside<'_>) -> Result<()> {
        if let Some(area) = AREA.captures(line) {
            self.0 = Some(u64::from_str_radix(&area[1], 16)?);
        }
        Ok(())
    }

    /// In the flags, of which there are none for this machine.
    fn waits(&mut self, ram: &Ram) -> Result<Option<String>> {
        const E_FLAGS: u64 = 48;
        let header = self.0.context("the log has no crash area")?;
        ensure!(ram.read(header)? == *b"\x7fELF", "no header at {header:#x}");
        ram.flip_bit(header + E_FLAGS, 5)?;
        Ok(Some(format!(
            "changed one bit of the header at {header:#x}"
        )))
    }
}
