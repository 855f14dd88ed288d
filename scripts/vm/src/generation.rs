//! Which of many images runs: the race between loads and the start of one
//! (`selftests/src/scenario/races.rs`).
//!
//! The first kernel loads one image after the other, each with a number, and says so before each
//! load and after it. The image that runs is the last one that was loaded, or the one that was being
//! loaded, if its load had succeeded and nobody could say so any more. An older one is stale.

use std::sync::LazyLock;

use anyhow::{ensure, Result};
use regex::Regex;

/// What the machine has said of its images.
#[derive(Debug, Default)]
pub struct Generations {
    begun: u32,
    loaded: u32,
}

static NOTE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^generation (\d+) (is being loaded|is loaded|runs)$").expect("constant")
});

impl Generations {
    /// Takes a remark of a guest's report.
    ///
    /// # Errors
    ///
    /// An image runs that must not.
    pub fn note(&mut self, note: &str) -> Result<()> {
        let Some(said) = NOTE.captures(note) else {
            return Ok(());
        };
        let number = said[1].parse()?;
        match &said[2] {
            "is being loaded" => self.begun = number,
            "is loaded" => self.loaded = number,
            _ => ensure!(
                (self.loaded..=self.begun).contains(&number),
                "generation {number} runs; {} is the last that was loaded, and {} the last that \
                 was begun",
                self.loaded,
                self.begun
            ),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(number: u32, notes: &[&str]) -> bool {
        let mut generations = Generations::default();
        for note in notes {
            generations.note(note).unwrap();
        }
        generations
            .note(&format!("generation {number} runs"))
            .is_ok()
    }

    #[test]
    fn the_last_one_loaded_may_run_or_the_one_behind_it_but_none_before() {
        let between = ["generation 4 is being loaded", "generation 4 is loaded"];
        assert_eq!([3, 4, 5].map(|it| runs(it, &between)), [false, true, false]);
        let during = [&between[..], &["generation 5 is being loaded"]].concat();
        let expected = [false, true, true, false];
        assert_eq!([3, 4, 5, 6].map(|it| runs(it, &during)), expected);
    }

    #[test]
    fn other_remarks_are_nothing() {
        Generations::default()
            .note("12 pages of Xen's heap")
            .unwrap();
    }
}
