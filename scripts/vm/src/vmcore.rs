//! What a crash kernel tells of `/proc/vmcore` (`selftests/src/dump.rs`), and whether it is all that
//! another one has told.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{ensure, Result};
use rkexec_protocol::Fact;

/// The owner of Linux's note about itself, which is not in a dump by kexec-tools in a dom0.
const VMCOREINFO: &str = "VMCOREINFO";

pub fn is_of_one(remark: &str) -> bool {
    matches!(Fact::find(remark), Ok(Some(fact)) if fact.is_of_dump())
}

/// A note, but for what it says: owner, type and length.
type Note = (String, u64, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start: u64,
    end: u64,
    /// What must be added to its addresses for where the crashed kernel had it mapped.
    mapped: u64,
}

impl fmt::Display for Piece {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#x}-{:#x}", self.start, self.end)
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Vmcore {
    /// Sorted, neighbours that are mapped alike joined.
    memory: Vec<Piece>,
    notes: BTreeMap<Note, usize>,
}

impl Vmcore {
    /// What `remarks` tell of one; those that tell of something else are left out.
    pub fn of(remarks: &[String]) -> Result<Self> {
        let mut vmcore = Self::default();
        for remark in remarks {
            match Fact::find(remark)? {
                Some(Fact::Dumped {
                    start,
                    mapped,
                    bytes,
                }) => vmcore.memory.push(Piece {
                    start: start.0,
                    end: start.0 + bytes.0,
                    mapped: mapped.0.wrapping_sub(start.0),
                }),
                Some(Fact::Noted { owner, kind, bytes }) => {
                    // When Linux crashes it adds the time to what it says of itself.
                    let bytes = if owner == VMCOREINFO { 0 } else { bytes.0 };
                    *vmcore.notes.entry((owner, kind.0, bytes)).or_default() += 1;
                }
                _ => {}
            }
        }
        ensure!(
            !vmcore.memory.is_empty(),
            "nothing was told of /proc/vmcore"
        );
        vmcore.memory.sort_by_key(|piece| piece.start);
        vmcore.memory.dedup_by(|next, last| {
            let joined = last.end == next.start && last.mapped == next.mapped;
            if joined {
                last.end = next.end;
            }
            joined
        });
        Ok(vmcore)
    }

    /// Checks that this has all that `other` has, and Linux's note about itself.
    pub fn expect_all_of(&self, other: &Self) -> Result<()> {
        for piece in &other.memory {
            let whole = self.memory.iter().any(|it| {
                it.start <= piece.start && piece.end <= it.end && it.mapped == piece.mapped
            });
            ensure!(whole, "the memory {piece} is missing in {self}");
        }
        for (note, wanted) in &other.notes {
            let found = self.notes.get(note).copied().unwrap_or_default();
            ensure!(
                found >= *wanted,
                "{found} instead of {wanted} notes {note:x?}: {self}"
            );
        }
        let own = self.notes.keys().filter(|it| it.0 == VMCOREINFO).count();
        ensure!(own == 1, "{own} notes {VMCOREINFO}: {self}");
        Ok(())
    }
}

impl fmt::Display for Vmcore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory: Vec<_> = self.memory.iter().map(ToString::to_string).collect();
        let notes: Vec<_> = self
            .notes
            .iter()
            .map(|((owner, kind, length), count)| match owner.as_str() {
                VMCOREINFO => format!("{count} {owner}"),
                _ => format!("{count} {owner} {kind:x} of {length} bytes"),
            })
            .collect();
        let (memory, notes) = (memory.join(", "), notes.join(", "));
        write!(out, "memory {memory}; notes {notes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vmcore(lines: &[&str]) -> Vmcore {
        let remarks: Vec<_> = lines.iter().map(|line| format!("vmcore: {line}")).collect();
        Vmcore::of(&remarks).unwrap()
    }

    const THEIRS: [&str; 4] = [
        "memory 0 ffff888000000000 9fc00",
        "memory 100000 ffff888000100000 1000",
        "note CORE 1 150",
        "note CORE 1 150",
    ];

    #[test]
    fn more_is_enough_and_anything_less_is_not() {
        let theirs = vmcore(&THEIRS);
        let own = ["note VMCOREINFO 0 cbf"];
        let same = vmcore(&[&THEIRS[..], &own].concat());
        same.expect_all_of(&theirs).unwrap();
        assert!(theirs.expect_all_of(&theirs).is_err());
        for left_out in 0..THEIRS.len() {
            let mut lines = [&THEIRS[..], &own].concat();
            lines.remove(left_out);
            assert!(vmcore(&lines).expect_all_of(&theirs).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn memory_counts_where_it_is_however_it_is_cut() {
        let own = [
            "note VMCOREINFO 0 cbf",
            "note CORE 1 150",
            "note CORE 1 150",
        ];
        let ours = |memory: &[&str]| vmcore(&[memory, &own].concat());
        let theirs = vmcore(&THEIRS);
        let cut = [
            "memory 100800 ffff888000100800 800",
            "memory 0 ffff888000000000 9fc00",
            "memory 100000 ffff888000100000 800",
        ];
        ours(&cut).expect_all_of(&theirs).unwrap();
        let elsewhere = [cut[0], cut[1], "memory 100000 ffff888000000000 800"];
        assert!(ours(&elsewhere).expect_all_of(&theirs).is_err());
        let gap = [cut[0], cut[1], "memory 100000 ffff888000100000 7ff"];
        assert!(ours(&gap).expect_all_of(&theirs).is_err());
    }

    #[test]
    fn remarks_that_make_no_sense_are_no_dump() {
        let of = |line: &str| Vmcore::of(&[line.to_owned()]);
        assert!(of("a remark").is_err());
        assert!(of("vmcore: memory 0 0").is_err());
        assert!(of("vmcore: memory 0 x 0").is_err());
    }
}
