//! Which of many images runs: the race between loads and the start of one
//! (`selftests/src/scenario/races.rs`).
//!
//! The first kernel loads one image after the other, each with a number, and says so before each
//! load and after it. The image that runs is the last one that was loaded, or the one that was being
//! loaded, if its load had succeeded and nobody could say so any more. An older one is stale.

use anyhow::{ensure, Result};
use rkexec_protocol::Fact;

/// What the machine has said of its images.
#[derive(Debug, Default)]
pub struct Generations {
    begun: u32,
    loaded: u32,
}

impl Generations {
    /// Takes what a guest has told. An error is that an image runs that must not.
    pub fn take(&mut self, fact: &Fact) -> Result<()> {
        let (begun, loaded) = (self.begun, self.loaded);
        match fact {
            Fact::Loading(number) => self.begun = *number,
            Fact::Loaded(number) => self.loaded = *number,
            Fact::Runs(number) => ensure!(
                (loaded..=begun).contains(number),
                "generation {number} runs; {loaded} is the last that was loaded, and {begun} the \
                 last that was begun"
            ),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(number: u32, facts: &[Fact]) -> bool {
        let mut generations = Generations::default();
        for fact in facts {
            generations.take(fact).unwrap();
        }
        generations.take(&Fact::Runs(number)).is_ok()
    }

    #[test]
    fn the_last_one_loaded_may_run_or_the_one_behind_it_but_none_before() {
        let between = [Fact::Loading(4), Fact::Loaded(4)];
        assert_eq!([3, 4, 5].map(|it| runs(it, &between)), [false, true, false]);
        let during = [&between[..], &[Fact::Loading(5)]].concat();
        let expected = [false, true, true, false];
        assert_eq!([3, 4, 5, 6].map(|it| runs(it, &during)), expected);
    }

    #[test]
    fn other_facts_are_nothing() {
        let fact = Fact::Map("a line".to_owned());
        Generations::default().take(&fact).unwrap();
    }
}
