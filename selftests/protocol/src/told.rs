//! What a kernel of a test machine is told on its command line: words `vmtest.NAME=VALUE`.
//!
//! Not `rkexec.NAME=`: that would be a parameter of the module, which modprobe reads there too.

use std::fmt;

use anyhow::Result;
use parse_display::{Display, FromStr};
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use smart_default::SmartDefault;

use crate::choice::{Dump, Lockdown};
use crate::hex::Hex;
use crate::scenario::Scenario;
use crate::text;

/// What all the words start with.
const PREFIX: &str = "vmtest.";

/// All that a kernel is told. What is as in the default needs no word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SmartDefault)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
#[serde(default, deny_unknown_fields)]
pub struct Told {
    /// Which kernel this is, in the order in which they run on the machine.
    #[default = 1]
    pub stage: u32,
    /// What it does. (In a box, for the tests: all that makes up each scenario is too much for a thread's stack.)
    #[cfg_attr(
        test,
        proptest(
            strategy = "proptest::option::of(proptest::strategy::Strategy::boxed(proptest::arbitrary::any::<Scenario>()))"
        )
    )]
    pub scenario: Option<Scenario>,
    /// Whether there is a module to test.
    pub module: bool,
    /// The machine's processors.
    #[default = 1]
    pub cpus: u32,
    /// Its usable memory, where that can be known: `START-END,START-END` in hexadecimal, ends inclusive.
    pub ram: Option<String>,
    /// The version of the Xen that was booted.
    pub xen: Option<String>,
    /// The least number of lines that its memory map has.
    pub lines: usize,
    /// The client before has kept what is below this from it.
    pub first: u64,
    /// On what kind of machine the client says that it is (`hardware_subarch`).
    pub subarch: u32,
    /// How far the kernel before was locked down, and so this one is.
    pub lockdown: Option<Lockdown>,
    /// Which of many images this is.
    pub generation: Option<u32>,
    /// It is a crash kernel, and there is something to find in the dump.
    pub marker: Option<Marker>,
    /// It is a crash kernel, and that is to be done with the dump.
    pub dump: Option<Dump>,
}

impl Told {
    /// What `line`, a command line, tells.
    pub fn parse(line: &str) -> Result<Self> {
        let words = line.split_ascii_whitespace();
        text::structure(words.filter_map(|word| word.strip_prefix(PREFIX)))
    }

    /// What the next kernel is to be told that has nothing to do.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            stage: self.stage + 1,
            cpus: self.cpus,
            ram: self.ram.clone(),
            ..Self::default()
        }
    }
}

/// The words, parted by blanks.
impl fmt::Display for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No two words are parted by a comma, so that it can be one.
        let fields = text::fields(self).into_iter();
        let words = fields.map(|field| format!("{PREFIX}{}", field.replace("%2C", ",")));
        out.write_str(&words.collect::<Vec<_>>().join(" "))
    }
}

/// A page of random bytes in the memory of a kernel that is to crash. Whoever finds it in the dump has
/// the right memory at the right place.
#[derive(Clone, Debug, Display, FromStr, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
#[display("{at}:{sha256}")]
pub struct Marker {
    /// Its address: in a dom0 that of the machine.
    pub at: Hex,
    /// The SHA-256 of the page, in hexadecimal.
    #[cfg_attr(test, proptest(regex = "[0-9a-f]{64}"))]
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::Boot;

    proptest! {
        #[test]
        fn every_command_line_is_read_as_it_is_written(told: Told) {
            let line = told.to_string();
            prop_assert!(!line.contains(['"', '\'', '&', '$', ';', '#']), "{}", line);
            prop_assert_eq!(Told::parse(&format!("quiet {line} root=/dev/x")).unwrap(), told);
        }
    }

    #[test]
    fn a_person_can_read_it() {
        let told = Told {
            stage: 2,
            scenario: Some(Scenario::Boot(Boot::NEW.blob(38).pause(true))),
            ram: Some("0-9fbff,100000-7ffdffff".to_owned()),
            marker: Some(Marker {
                at: Hex(0x1234_5000),
                sha256: "ab".repeat(2),
            }),
            ..Told::default()
        };
        let line = "vmtest.stage=2 vmtest.scenario=boot,blob=38,pause=true \
                    vmtest.ram=0-9fbff,100000-7ffdffff vmtest.marker=12345000:abab";
        assert_eq!(told.to_string(), line);
        assert_eq!(Told::default().to_string(), "");
    }

    #[test]
    fn words_of_others_are_nothing_and_unknown_words_of_ours_are_refused() {
        assert_eq!(Told::parse("quiet stage=2").unwrap(), Told::default());
        for line in [
            "vmtest.stagge=2",
            "vmtest.stage=two",
            "vmtest.scenario=boto",
            "vmtest.module",
            "vmtest.marker=1",
        ] {
            assert!(Told::parse(line).is_err(), "{line}");
        }
    }
}
