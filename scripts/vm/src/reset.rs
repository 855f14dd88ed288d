//! Something is changed behind the hand-over's back, and it resets the machine.

use std::mem::offset_of;

use anyhow::{bail, ensure, Context, Result};
use qemu::Ram;
use regex::Regex;
use rkexec::abi::handover::{Header, Params};

use crate::ending::{Ending, Outside};

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The hand-over's parameters.
    Params,
    /// A page of the image.
    Source,
    /// The list of what to copy.
    CopyList,
    /// A page table.
    PageTable,
    /// A crash image, which is in its place already.
    InPlace,
    /// The last byte of the initrd where it was copied to, between that and its verification.
    Destination,
}

impl Target {
    /// What the module's log has before its address (a regular expression).
    fn label(self) -> &'static str {
        match self {
            // The parameters tell the rest.
            Self::Params | Self::Destination => "hand-over at",
            Self::InPlace => "to be entered at",
            Self::Source => "first source page",
            Self::CopyList => r"copy list(?: of \d+ pages?)? at",
            Self::PageTable => "page tables? at",
        }
    }

    /// What the hand-over calls it.
    fn complaint(self) -> &'static str {
        match self {
            Self::Params => "its parameters do not have their SHA-256 digest",
            Self::Source | Self::InPlace | Self::Destination => {
                "the image does not have its SHA-256 digest"
            }
            Self::CopyList => "the copy list does not have its SHA-256 digest",
            Self::PageTable => "the page tables do not have their SHA-256 digest",
        }
    }

    fn pattern(self) -> Regex {
        Regex::new(&format!(r"{} ma:0x([0-9a-f]+)", self.label())).expect("a constant")
    }
}

/// What the hand-over says when the image is in its place, and not verified yet.
pub const COPIED: &str = "rkexec: image copied";

/// One machine's way to it.
pub struct Reset {
    target: Target,
    pattern: Regex,
    address: Option<u64>,
    caught: bool,
}

impl Reset {
    pub fn new(target: Target) -> Self {
        Self {
            target,
            pattern: target.pattern(),
            address: None,
            caught: false,
        }
    }
}

impl Ending for Reset {
    fn line(&mut self, line: &str, outside: &mut Outside<'_>) -> Result<()> {
        if self.target == Target::Destination && line.starts_with(COPIED) {
            let address = self.address.context("the log has no hand-over")?;
            let at = last_of_initrd(outside.ram, address)?;
            outside.ram.flip_bit(at, 5)?;
        }
        if let Some(address) = self.pattern.captures(line) {
            self.address = Some(u64::from_str_radix(&address[1], 16)?);
        }
        self.caught |= line.contains(self.target.complaint());
        Ok(())
    }

    /// Changes memory from outside.
    fn waits(&mut self, ram: &Ram) -> Result<Option<String>> {
        let target = self.target;
        if target == Target::Destination {
            return Ok(None); // Later.
        }
        let address = self.address;
        let address = address.with_context(|| format!("the log has no {}", target.label()))?;
        let address = address
            + match target {
                // Anywhere in the page.
                Target::Source | Target::InPlace => 0x123,
                // In the first entry, which is there for sure.
                Target::CopyList | Target::PageTable => 0x12,
                // In the first parameter, wherever the hand-over has them.
                Target::Params => params(ram, address)? - address + 2,
                Target::Destination => bail!("not yet"),
            };
        let changed = ram.flip_bit(address, 5);
        changed.with_context(|| format!("changing {target:?}"))?;
        Ok(Some(format!("changed one bit at {address:#x}")))
    }

    fn machine_ended(&mut self, _stage: u32) -> Result<Vec<String>> {
        let found = self.caught;
        ensure!(found, "the machine ended, and the hand-over found nothing");
        Ok(Vec::new())
    }
}

/// Where the parameters are of the hand-over at this address.
fn params(ram: &Ram, handover: u64) -> Result<u64> {
    let at = handover + offset_of!(Header, params_offset) as u64;
    Ok(handover + u64::from(u32::from_le_bytes(ram.read(at)?)))
}

/// Where the initrd ends for the next kernel, by its boot parameters (`struct setup_header`).
fn last_of_initrd(ram: &Ram, handover: u64) -> Result<u64> {
    const RAMDISK_IMAGE: u64 = 0x218;
    const RAMDISK_SIZE: u64 = 0x21c;
    let at = params(ram, handover)? + offset_of!(Params, rsi) as u64;
    let boot_params = u64::from_le_bytes(ram.read(at)?);
    let word =
        |offset| -> Result<u64> { Ok(u32::from_le_bytes(ram.read(boot_params + offset)?).into()) };
    let (start, bytes) = (word(RAMDISK_IMAGE)?, word(RAMDISK_SIZE)?);
    ensure!(bytes > 0, "there is no initrd");
    Ok(start + bytes - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_fit_the_modules_log() {
        let line = "rkexec: hand-over at ma:0x1000, 8 page tables at ma:0x2000, \
                    copy list of 3 pages at ma:0x3000, first source page ma:0x4000";
        for (target, address) in [
            (Target::Params, "1000"),
            (Target::PageTable, "2000"),
            (Target::CopyList, "3000"),
            (Target::Source, "4000"),
        ] {
            assert_eq!(&target.pattern().captures(line).unwrap()[1], address);
        }
    }
}
