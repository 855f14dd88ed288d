//! Whose memory a page is.

use std::collections::BTreeMap;

use anyhow::Result;
use rkexec_protocol::Fact;

/// How many runs of pages are told of for one owner.
const SHOWN: usize = 6;
/// Below this a machine's memory is nobody's own.
const FIRST_MIB: u64 = 1 << 20;

/// What a dom0 has told of the machine's memory (`selftests/src/scenario/dump.rs`): an owner, the first
/// byte, the first byte behind it. The first one that has a page counts.
#[derive(Debug, Default)]
pub struct Owners(Vec<(String, u64, u64)>);

impl Owners {
    /// Takes a remark; one that tells of something else is left out.
    pub fn take(&mut self, note: &str) -> Result<()> {
        if let Some(Fact::Owned { owner, start, end }) = Fact::find(note)? {
            self.0.push((owner, start.0, end.0));
        }
        Ok(())
    }

    fn of(&self, at: u64) -> &str {
        let mut here = self.0.iter().filter(|it| it.1 <= at && at < it.2);
        match here.next() {
            _ if at < FIRST_MIB => "the low memory",
            Some((owner, ..)) => owner,
            None => "Xen's heap, or free",
        }
    }

    /// Says of pages whose they are, and where they are.
    pub fn tell(&self, pages: &[(u64, u64)]) -> String {
        let mut owners: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let same = |(at, bytes): &(u64, u64), (next, _): &(u64, u64)| {
            at + bytes == *next && self.of(*at) == self.of(*next)
        };
        for run in pages.chunk_by(same) {
            owners.entry(self.of(run[0].0)).or_default().push(run);
        }
        let told = owners.iter().map(|(owner, runs)| {
            let count: usize = runs.iter().map(|run| run.len()).sum();
            let place = |run: &&[(u64, u64)]| {
                let (last, bytes) = run[run.len() - 1];
                format!("{:x}-{:x}", run[0].0, last + bytes)
            };
            let mut places: Vec<_> = runs.iter().take(SHOWN).map(place).collect();
            if runs.len() > SHOWN {
                places.push(format!("and {} other places", runs.len() - SHOWN));
            }
            format!("{count} pages of {owner} ({})", places.join(", "))
        });
        let told: Vec<_> = told.collect();
        match told.is_empty() {
            true => "none".to_owned(),
            false => told.join("; "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_by_owner_and_place() {
        let mut owners = Owners::default();
        owners.take("memory of dom0: 200000-400000").unwrap();
        owners.take("a remark").unwrap();
        let page = |at| (at, 0x1000);
        let pages = [
            page(0x9000),
            page(0x20_0000),
            page(0x20_1000),
            page(0x40_0000),
        ];
        assert_eq!(
            owners.tell(&pages),
            "1 pages of Xen's heap, or free (400000-401000); 2 pages of dom0 (200000-202000); \
             1 pages of the low memory (9000-a000)"
        );
        assert_eq!(owners.tell(&[]), "none");
    }
}
