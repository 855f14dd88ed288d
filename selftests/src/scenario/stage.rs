//! What a scenario works with, and what may come after it.

use anyhow::Result;
use rkexec_protocol::choice::{Amid, Trigger};
use rkexec_protocol::Told;

use crate::module;
use crate::report::Report;

/// What comes after the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Switch the machine off.
    PowerOff,
    /// Enter the loaded kernel.
    Exec,
    /// The same, by kexec-tools.
    KexecTools,
    /// The same, by kexec-tools as it is in a dom0.
    Door,
    /// Enter an image while others are being loaded.
    Race,
    /// Crash this kernel.
    Crash(Trigger),
    /// The same in the midst of something.
    CrashAmid(Amid),
    /// Let the guest go that the scenario has made, and tell what it says.
    Guest,
}

/// A kernel that runs a scenario.
pub struct Stage<'a> {
    pub report: &'a mut Report,
    /// What the runner, or the kernel before, has told it.
    pub told: &'a Told,
}

impl Stage<'_> {
    pub fn test(&mut self, name: &str, test: impl FnOnce(&mut Report) -> Result<()>) -> bool {
        self.report.test(name, test)
    }

    pub fn load_module(&mut self) -> bool {
        self.test("modprobe rkexec", |_| module::load())
    }
}
