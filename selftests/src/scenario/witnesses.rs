//! All who know whether an image is loaded: the kernel, the door, and Xen, asked past the door.

use super::prelude::*;
use crate::door::{self, Answers, Door};

/// What is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    Nothing,
    Default,
    Crash,
    Both,
}

pub struct Witnesses {
    pub door: Door,
    pub xen: Xen,
    /// Xen's free pages while it has no image.
    free: u64,
}

impl Witnesses {
    /// In a moment in which nothing is loaded.
    pub fn new() -> Result<Self> {
        let xen = Xen::open()?;
        Ok(Self {
            door: Door::open()?,
            free: xen.free_pages()?,
            xen,
        })
    }

    pub fn expect_answers_of(&self, wanted: Answers) -> Result<()> {
        let who = self.door.answers()?;
        ensure!(who == wanted, "{who:?} answers, and not {wanted:?}");
        Ok(())
    }

    /// Checks that all of them say that this is loaded, and nothing else.
    pub fn expect(&self, loaded: Loaded) -> Result<()> {
        let default = matches!(loaded, Loaded::Default | Loaded::Both);
        let crash = matches!(loaded, Loaded::Crash | Loaded::Both);
        kexec::expect_loaded(default)?;
        kexec::expect_crash_loaded(crash)?;
        for (who, says, is) in [
            ("the door", self.door.status(door::DEFAULT)?, default),
            (
                "the door, of crashes,",
                self.door.status(door::CRASH)?,
                crash,
            ),
            ("Xen", self.xen.kexec_status()?.into(), default),
            (
                "Xen, of crashes,",
                self.xen.has_crash_image()?.into(),
                crash,
            ),
        ] {
            ensure!(says == u64::from(is), "{who} says {says}");
        }
        // A crash image is in memory that is never free.
        let (free, before) = (self.xen.free_pages()?, self.free);
        let is_odd = match loaded {
            Loaded::Nothing => free != before,
            Loaded::Default | Loaded::Both => free >= before,
            Loaded::Crash => false,
        };
        ensure!(!is_odd, "Xen has {free} free pages, {before} at first");
        Ok(())
    }
}
