//! Remarks of a test machine that the runner does something with.

use anyhow::{ensure, Result};
use parse_display::{Display, FromStr};

use crate::hex::Hex;

/// Such a remark.
#[derive(Clone, Debug, Display, FromStr, PartialEq, Eq)]
pub enum Fact {
    /// Which of many images is being loaded, is loaded, and runs.
    #[display("generation {0} is being loaded")]
    Loading(u32),
    #[display("generation {0} is loaded")]
    Loaded(u32),
    #[display("generation {0} runs")]
    Runs(u32),
    /// A dump has memory: where it was, where the crashed kernel had it mapped, how long it is.
    #[display("vmcore: memory {start} {mapped} {bytes}")]
    Dumped { start: Hex, mapped: Hex, bytes: Hex },
    #[display("vmcore: note {owner} {kind} {bytes}")]
    Noted {
        owner: String,
        kind: Hex,
        bytes: Hex,
    },
    /// The machine has memory that is to be mapped, or is not to be.
    #[display("memory: {0}")]
    Memory(Memory),
    /// A line of what the module says that it has mapped.
    #[display("map: {0}")]
    Map(String),
    /// Whose memory that is, up to the first byte behind it.
    #[display("memory of {owner}: {start}-{end}")]
    Owned { owner: String, start: Hex, end: Hex },
    /// Where this kernel has a function of its own.
    #[display("symbol {name}: {at}")]
    Symbol { name: String, at: Hex },
    /// How long the system call has taken that has loaded an image.
    #[display("load: {0} ms")]
    LoadTook(u64),
}

/// A line of a machine's memory map.
#[derive(Clone, Debug, Display, FromStr, PartialEq, Eq)]
#[display("0x{first}-0x{last} {kind}")]
pub struct Memory {
    pub first: Hex,
    pub last: Hex,
    pub kind: String,
}

/// What each of them starts with, and no other remark.
const STARTS: [&str; 7] = [
    "generation ",
    "vmcore: ",
    "memory: ",
    "map: ",
    "memory of ",
    "symbol ",
    "load: ",
];

impl Fact {
    /// The fact that a remark is; nothing if it is for people.
    pub fn find(remark: &str) -> Result<Option<Self>> {
        let fact = remark.parse().ok();
        let is_one = STARTS.iter().any(|start| remark.starts_with(start));
        ensure!(
            fact.is_some() == is_one,
            "a remark that makes no sense: {remark:?}"
        );
        Ok(fact)
    }

    /// Whether it is about a dump.
    pub fn is_of_dump(&self) -> bool {
        matches!(self, Self::Dumped { .. } | Self::Noted { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_is_read_as_it_is_written() {
        let (start, bytes) = (Hex(0x10_0000), Hex(0xfff));
        for (fact, text) in [
            (Fact::Loading(4), "generation 4 is being loaded"),
            (Fact::Loaded(4), "generation 4 is loaded"),
            (Fact::Runs(4), "generation 4 runs"),
            (
                Fact::Dumped {
                    start,
                    mapped: Hex(0xffff_8880_0010_0000),
                    bytes,
                },
                "vmcore: memory 100000 ffff888000100000 fff",
            ),
            (
                Fact::Noted {
                    owner: "CORE".to_owned(),
                    kind: Hex(1),
                    bytes,
                },
                "vmcore: note CORE 1 fff",
            ),
            (
                Fact::Memory("0x0-0xfff ACPI Tables".parse().unwrap()),
                "memory: 0x0-0xfff ACPI Tables",
            ),
            (Fact::Map("# a line: 1".to_owned()), "map: # a line: 1"),
            (
                Fact::Owned {
                    owner: "the crash kernel".to_owned(),
                    start,
                    end: Hex(0x20_0000),
                },
                "memory of the crash kernel: 100000-200000",
            ),
            (
                Fact::Symbol {
                    name: "machine_kexec".to_owned(),
                    at: start,
                },
                "symbol machine_kexec: 100000",
            ),
            (Fact::LoadTook(12), "load: 12 ms"),
        ] {
            assert_eq!(fact.to_string(), text);
            assert_eq!(Fact::find(text).unwrap(), Some(fact));
        }
    }

    #[test]
    fn remarks_for_people_are_no_facts_and_facts_have_to_make_sense() {
        for text in ["", "12 pages of Xen's heap", "the generation 4 runs"] {
            assert_eq!(Fact::find(text).unwrap(), None, "{text}");
        }
        for text in [
            "generation x runs",
            "vmcore: memory 0 0",
            "vmcore: memory 0 x 0",
            "memory: 0-1 System RAM",
        ] {
            assert!(Fact::find(text).is_err(), "{text}");
        }
    }
}
