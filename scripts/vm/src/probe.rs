//! The judge of what the probe says (`selftests/probe/`): the lines that come from it and, before
//! that, from the guest that loads it, and whether they fit each other.
//!
//! [`map`] is the pages that are mapped, [`state`] the registers.

mod map;
mod state;

use std::sync::LazyLock;

use anyhow::{bail, ensure, Context, Result};
use regex::Regex;

use crate::machine::Boot;
use map::{Bytes, Pages};
use state::State;

/// Who has made the page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// The stock kernel.
    Stock,
    /// The module.
    Module,
}

/// What the module's map of the image that the probe is in begins with.
static IMAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^# default image: ([45]) levels$").expect("constant"));
/// A line of the machine's memory map that is rightly mapped write-back as a whole.
static MEMORY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^0x([0-9a-f]+)-0x([0-9a-f]+) (System RAM|ACPI Tables|ACPI Non-volatile Storage)$")
        .expect("constant")
});

/// The memory below the video memory: a kernel that starts looks there for the BIOS data area,
/// whatever the memory map calls it.
const LOW_MEMORY: Bytes = 0..0xa_0000;

/// The module's word for what it has built.
#[derive(Debug, Default)]
struct Claim {
    levels: u32,
    pages: Vec<Pages>,
    /// Those that are not at their own addresses.
    others: Vec<Pages>,
    tables: Option<usize>,
    /// Whether the lines that come are about another image.
    other: bool,
}

/// What has been said so far.
#[derive(Debug, Default)]
pub struct Findings {
    memory: Vec<Bytes>,
    claim: Option<Claim>,
    entered: bool,
    state: State,
    pages: Vec<Pages>,
    tables: Option<usize>,
}

impl Findings {
    /// Takes a line from the serial port.
    ///
    /// # Errors
    ///
    /// It is the probe's, and tells of something that must not be, or makes no sense.
    pub fn line(&mut self, line: &str) -> Result<()> {
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

    /// Takes a remark of the guest. False if it has nothing to do with the probe.
    ///
    /// # Errors
    ///
    /// It has, and makes no sense.
    pub fn note(&mut self, note: &str) -> Result<bool> {
        if let Some(entry) = note.strip_prefix("memory: ") {
            if let Some(found) = MEMORY.captures(entry) {
                let number = |group| u64::from_str_radix(&found[group], 16);
                self.memory.push(number(1)?..number(2)?.saturating_add(1));
            }
        } else if let Some(line) = note.strip_prefix("map: ") {
            self.claim.get_or_insert_default().line(line)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The verdict: everything is as it should be on a machine that booted like that, or why not.
    /// What comes back is worth a remark.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn judge(&self, maker: Maker, boot: &Boot) -> Result<Vec<String>> {
        ensure!(self.entered, "the probe was not entered");
        let tables = self.tables.context("the probe did not come to its end")?;
        ensure!(!self.memory.is_empty(), "the guest has told no memory");
        let native = *boot == Boot::Native;
        self.state.check(native)?;
        let (identity, others): (Vec<_>, Vec<_>) =
            self.pages.iter().partition(|pages| pages.is_identity());
        self.check_alias(maker, native, &others)?;
        let above = self.memory.iter();
        let above = above.map(|memory| memory.start.max(LOW_MEMORY.end)..memory.end);
        let wanted: Vec<_> = [LOW_MEMORY].into_iter().chain(above).collect();
        let outside = map::write_back_outside(&identity, &wanted);
        match maker {
            Maker::Stock => {
                ensure!(outside > 0, "nothing but RAM is mapped write-back");
            }
            Maker::Module => {
                let claim = self.claim.as_ref();
                let claim = claim.context("the module has told nothing of its map")?;
                map::expect_same(&claim.pages, &identity)?;
                map::expect_same(&claim.others, &others).context("not one to one")?;
                ensure!(
                    claim.tables == Some(tables),
                    "the module says {:?} tables, the probe has found {tables}",
                    claim.tables
                );
                let levels = self.state.levels()?;
                ensure!(
                    claim.levels == levels,
                    "the module says {} levels, the processor is on {levels}",
                    claim.levels
                );
                ensure!(
                    outside == 0,
                    "{outside} bytes are mapped write-back that are not RAM"
                );
            }
        }
        let mapped: u64 = identity.iter().map(|pages| pages.bytes()).sum();
        Ok(vec![
            format!("{tables} tables map {mapped} bytes one to one"),
            format!("{outside} bytes that are not RAM are mapped write-back"),
        ])
    }

    /// Checks what is not mapped one to one. On bare metal that is the page with the code that
    /// changes to these tables, at the address where it runs until then; Xen does that elsewhere.
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

impl Claim {
    fn line(&mut self, line: &str) -> Result<()> {
        if let Some(image) = IMAGE.captures(line) {
            self.levels = image[1].parse()?;
            self.other = false;
        } else if line.starts_with('#') && line.ends_with("levels") {
            self.other = true;
        } else if self.other {
        } else if let Some(alias) = line.strip_prefix("# ") {
            self.others.push(alias.parse()?);
        } else if let Some(tables) = line.strip_prefix("table pages: ") {
            self.tables = Some(tables.parse()?);
        } else {
            self.pages.push(line.parse()?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::DOM0;
    use crate::probe::state::GENERAL;

    /// What a small machine says natively: the state, without the map.
    const STATE: &str = "\
probe: entered
probe: register rsp 0000000003d7aff8
probe: register rflags 0000000000000046
probe: register cr0 0000000080000033
probe: register cr4 0000000000000020
probe: register cr8 0000000000000000
probe: register dr7 0000000000000400
probe: register cs 0000000000000010
probe: register ds 0000000000000018
probe: register es 0000000000000018
probe: register fs 0000000000000018
probe: register gs 0000000000000018
probe: register ss 0000000000000018
probe: register ldtr 0000000000000000
probe: register gdt_base 0000000003d7a560
probe: register efer 0000000000000d01
probe: register fs_base 0000000000000000
probe: register gs_base 0000000000000000
probe: descriptor cs 00af9a000000ffff
probe: descriptor ds 00cf93000000ffff
probe: descriptor es 00cf93000000ffff
probe: descriptor fs 00cf93000000ffff
probe: descriptor gs 00cf93000000ffff
probe: descriptor ss 00cf93000000ffff
probe: return address 0000000000000000
";
    const NATIVE_IDT: &str = "\
probe: register idt_base 0000000003d7a580
probe: register idt_limit 00000000000000ff
";
    const DOM0_IDT: &str = "\
probe: register idt_base 0000000000000000
probe: register idt_limit 0000000000000000
";
    const MEMORY: &[&str] = &[
        "memory: 0x0-0x9fbff System RAM",
        "memory: 0x9fc00-0x9ffff Reserved",
        "memory: 0x100000-0x3fffff System RAM",
    ];
    const CLAIM: &[&str] = &[
        "map: # default image: 4 levels",
        "map: 0000000000000000 000000000009efff 4K WB",
        "map: 00000000000a0000 00000000000fffff 4K UC",
        "map: 0000000000100000 00000000001fffff 4K WB",
        "map: 0000000000200000 00000000003fffff 2M WB",
        "map: table pages: 5",
        "map: # crash image: 4 levels",
        "map: 0000000000000000 0000000000000fff 4K WB",
        "map: table pages: 4",
    ];
    const CLAIMED_ALIAS: &[&str] =
        &["map: # ff272b08c3d7a000 ff272b08c3d7afff 4K WB -> 0000000003d7a000"];
    const MAP: &str = "\
probe: map 0000000000000000 000000000009efff 4K WB
probe: map 00000000000a0000 00000000000fffff 4K UC
probe: map 0000000000100000 00000000001fffff 4K WB
probe: map 0000000000200000 00000000003fffff 2M WB
";
    const ALIAS: &str = "probe: map ff272b08c3d7a000 ff272b08c3d7afff 4K WB -> 0000000003d7a000\n";
    const END: &str = "probe: end, 5 tables\n";

    fn judge(maker: Maker, boot: &Boot, notes: &[&str], log: &[&str]) -> Result<Vec<String>> {
        let mut findings = Findings::default();
        for note in notes {
            assert!(findings.note(note)?);
        }
        for line in log.concat().lines() {
            findings.line(line)?;
        }
        for name in GENERAL {
            findings.line(&format!("probe: register {name} 0000000000000000"))?;
        }
        findings.judge(maker, boot)
    }

    fn of_module(boot: &Boot, log: &[&str]) -> Result<Vec<String>> {
        let alias = match boot {
            Boot::Native => CLAIMED_ALIAS,
            Boot::Dom0 { .. } => &[],
        };
        let (first, rest) = CLAIM.split_at(1);
        judge(
            Maker::Module,
            boot,
            &[MEMORY, first, alias, rest].concat(),
            log,
        )
    }

    /// The reason of a verdict.
    fn why(verdict: Result<Vec<String>>) -> String {
        format!("{:#}", verdict.unwrap_err())
    }

    #[test]
    fn the_modules_map_is_found_as_it_says() {
        let notes = of_module(&DOM0.boot, &[STATE, DOM0_IDT, MAP, END]).unwrap();
        assert_eq!(
            notes,
            [
                "5 tables map 4190208 bytes one to one",
                "0 bytes that are not RAM are mapped write-back"
            ]
        );
        of_module(&Boot::Native, &[STATE, NATIVE_IDT, MAP, ALIAS, END]).unwrap();
    }

    #[test]
    fn every_difference_to_the_modules_map_is_one() {
        for (old, new) in [
            ("9efff 4K", "9ffff 4K"),
            (
                "00200000 00000000003fffff 2M",
                "00200000 00000000003fffff 4K",
            ),
            ("4K UC", "4K WB"),
            ("2M WB", "2M WB,nx"),
            ("probe: map 00000000000a0000 00000000000fffff 4K UC\n", ""),
            (END, "probe: end, 6 tables"),
            (END, ""),
            (END, "probe: there are more tables than the probe can take"),
            ("cr4 0000000000000020", "cr4 0000000000001020"),
        ] {
            let log = [STATE, DOM0_IDT, MAP, END].concat();
            assert!(log.contains(old));
            let log = log.replace(old, new);
            assert!(of_module(&DOM0.boot, &[&log]).is_err(), "{old:?} {new:?}");
        }
        let verdict = judge(
            Maker::Module,
            &DOM0.boot,
            MEMORY,
            &[STATE, DOM0_IDT, MAP, END],
        );
        assert!(why(verdict).contains("has told nothing"));
    }

    #[test]
    fn a_map_with_more_than_ram_is_wrong_even_if_the_module_says_so() {
        let notes: Vec<_> = [MEMORY, CLAIM]
            .concat()
            .into_iter()
            .filter(|note| !note.contains("0x100000"))
            .collect();
        let verdict = judge(
            Maker::Module,
            &DOM0.boot,
            &notes,
            &[STATE, DOM0_IDT, MAP, END],
        );
        assert!(why(verdict).starts_with("3145728 bytes"));
    }

    #[test]
    fn only_the_control_page_has_another_address_and_only_on_bare_metal() {
        let native = |alias: &str| of_module(&Boot::Native, &[STATE, NATIVE_IDT, MAP, alias, END]);
        assert!(native("").is_err());
        assert!(native(&ALIAS.replace("3d7a000\n", "3d7b000\n")).is_err());
        assert!(native(&ALIAS.replace("WB", "WB,nx")).is_err());
        assert!(native(&[ALIAS, ALIAS].concat()).is_err());
        assert!(of_module(&DOM0.boot, &[STATE, DOM0_IDT, MAP, ALIAS, END]).is_err());
    }

    #[test]
    fn the_stock_kernel_maps_holes() {
        let map = "probe: map 0000000000000000 00000000003fffff 2M WB,global\n";
        let stock = |log: &[&str]| judge(Maker::Stock, &Boot::Native, MEMORY, log);
        let notes = stock(&[STATE, NATIVE_IDT, map, ALIAS, END]).unwrap();
        assert_eq!(
            notes[1],
            "393216 bytes that are not RAM are mapped write-back"
        );
        assert!(stock(&[STATE, NATIVE_IDT, MAP, ALIAS, END]).is_err());
    }
}
