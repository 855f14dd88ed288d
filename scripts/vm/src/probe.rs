//! The judge of what the probe says (`purgatory/probe/`): the lines that come from it and, before
//! that, from the guest that loads it, and whether they fit each other.
//!
//! [`map`] is the pages that are mapped, and [`claim`] what the module says of them.

mod claim;
mod map;

use anyhow::{bail, ensure, Context, Result};
use rkexec_probe::heard::Heard;
use rkexec_protocol::Fact;

use crate::ending::{Ending, Outside};
use claim::Claim;
use map::{Bytes, Pages};

/// Who has made the page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    Stock,
    Module,
}

/// By what it is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// The kernel's own code.
    ByKernel,
    /// The hand-over, without boot parameters.
    ByHandOver,
    /// The hand-over, with those of `kexec_file_load`.
    WithParams,
}

/// What a line of the machine's memory map is called that is rightly mapped write-back as a whole.
const MEMORY: [&str; 4] = [
    "System RAM",
    "ACPI Tables",
    "ACPI Non-volatile Storage",
    "EFI tables",
];

/// What the kind of a line begins with that is the pages of a table of ACPI's, which have to be there
/// even where the memory map calls them reserved.
const TABLE: &str = "table ";

/// The memory below the video memory: a kernel that starts looks there for the BIOS data area,
/// whatever the memory map calls it.
const LOW_MEMORY: Bytes = 0..0xa_0000;

/// Video memory and the BIOS, which are mapped, but not write-back.
const LEGACY: Bytes = 0xa_0000..0x10_0000;

/// A machine that ends with the probe, which finds the page tables as they should be.
pub struct Probe {
    maker: Maker,
    entered: Entered,
    findings: Findings,
}

impl Probe {
    pub fn new(maker: Maker, entered: Entered) -> Self {
        Self {
            maker,
            entered,
            findings: Findings::default(),
        }
    }
}

impl Ending for Probe {
    fn line(&mut self, line: &str, _: &mut Outside<'_>) -> Result<()> {
        self.findings.line(line)
    }

    fn fact(&mut self, fact: &Fact) -> Result<bool> {
        self.findings.fact(fact)
    }

    fn machine_ended(&mut self, _stage: u32) -> Result<Vec<String>> {
        self.findings.judge(self.maker, self.entered)
    }
}

#[derive(Debug, Default)]
struct Findings {
    memory: Vec<Bytes>,
    /// Of these, the tables of ACPI.
    acpi: Vec<Bytes>,
    claim: Option<Claim>,
    entered: bool,
    state: Heard,
    pages: Vec<Pages>,
    tables: Option<usize>,
}

impl Findings {
    /// Takes a line from the serial port.
    fn line(&mut self, line: &str) -> Result<()> {
        let Some(text) = line.strip_prefix("probe: ") else {
            return Ok(());
        };
        if text == "entered" {
            self.entered = true;
        } else if let Some(pages) = text.strip_prefix("map ") {
            self.pages.push(pages.parse()?);
        } else if let Some(tables) = text.strip_prefix("end, ") {
            let number = tables.strip_suffix(" tables").context("no number")?;
            self.tables = Some(number.parse()?);
        } else if !self.state.line(text)? {
            bail!("the probe says: {text}");
        }
        Ok(())
    }

    /// Takes what the guest has told. False if it has nothing to do with the probe.
    fn fact(&mut self, fact: &Fact) -> Result<bool> {
        match fact {
            Fact::Memory(memory) => {
                let bytes = memory.first.0..memory.last.0.saturating_add(1);
                let is_table = memory.kind.starts_with(TABLE);
                if is_table && !LEGACY.contains(&bytes.start) {
                    self.acpi.push(bytes.clone());
                }
                if is_table || MEMORY.contains(&&*memory.kind) {
                    self.memory.push(bytes);
                }
            }
            Fact::Map(line) => self.claim.get_or_insert_default().line(line)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The verdict: everything is as it should be, or why not. What comes back is worth a remark.
    fn judge(&self, maker: Maker, entered: Entered) -> Result<Vec<String>> {
        ensure!(self.entered, "the probe was not entered");
        let tables = self.tables.context("the probe did not come to its end")?;
        ensure!(!self.memory.is_empty(), "the guest has told no memory");
        let rsi = self.state.register("rsi")?;
        let has_params = rsi != 0;
        ensure!(
            has_params == (entered == Entered::WithParams),
            "RSI is {rsi:#x}"
        );
        let native = entered == Entered::ByKernel;
        // Without Xen it may be on five, as its map will show.
        let five_levels = entered == Entered::WithParams && self.state.levels()? == 5;
        self.state.check(native, rsi, five_levels)?;
        let (identity, others): (Vec<_>, Vec<_>) =
            self.pages.iter().partition(|pages| pages.is_identity());
        self.check_alias(maker, native, &others)?;
        let above = map::joined_bytes(&self.memory);
        let above = above.map(|memory| memory.start.max(LEGACY.end)..memory.end);
        let wanted: Vec<_> = [LOW_MEMORY].into_iter().chain(above).collect();
        let outside = map::write_back_outside(&identity, &wanted);
        match maker {
            Maker::Stock => ensure!(outside > 0, "nothing but RAM is mapped write-back"),
            Maker::Module => {
                let claim = self.claim.as_ref();
                let claim = claim.context("the module has told nothing of its map")?;
                claim.expect(&identity, &others, tables, self.state.levels()?)?;
                ensure!(
                    outside == 0,
                    "{outside} bytes are mapped write-back that are not RAM"
                );
                for table in &self.acpi {
                    let bytes = table.end.saturating_sub(table.start);
                    let missing = bytes.saturating_sub(map::write_back_inside(&identity, table));
                    ensure!(
                        missing == 0,
                        "{missing} bytes of the pages {table:x?}, a table of ACPI's, are not mapped"
                    );
                }
            }
        }
        let mapped: u64 = identity.iter().map(|pages| pages.bytes()).sum();
        Ok(vec![
            format!("{tables} tables map {mapped} bytes one to one"),
            format!("{outside} bytes that are not RAM are mapped write-back"),
        ])
    }

    /// Checks what is not mapped one to one. By the kernel's own code (`native`) that is the page with the
    /// code that changes to these tables, at the address where it runs until then; the hand-over has no
    /// such page.
    fn check_alias(&self, maker: Maker, native: bool, others: &[&Pages]) -> Result<()> {
        if !native {
            ensure!(others.is_empty(), "not one to one: {}", map::list(others));
            return Ok(());
        }
        let [alias] = others else {
            bail!("not one page, but: {}", map::list(others));
        };
        let page = alias.physical_page();
        let stack = self.state.register("rsp")? & !0xfff;
        ensure!(
            page == Some(stack) && alias.is_in_direct_map(),
            "this is not the control page, whose end is the stack: {alias}"
        );
        ensure!(
            maker == Maker::Stock || alias.attr == "WB",
            "the control page is mapped in another way: {alias}"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests;
