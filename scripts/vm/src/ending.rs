//! How a test ends well: what a row says of it is an [`End`], and what follows one machine to it an
//! [`Ending`].

mod reset;

pub use reset::Target;

use anyhow::{bail, ensure, Result};
use qemu::Ram;
use rkexec_protocol::{Fact, Scenario};

use crate::machine::Machine;
use crate::probe::{Maker, Probe};
use reset::Reset;

/// How a test ends well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first kernel has no complaint.
    FirstKernel,
    /// Nor has the next one.
    NextKernel,
    /// Nor have so many kernels one after the other.
    Kernels(u32),
    /// It cannot start the next one, and restarts the machine.
    Restart,
    /// The hand-over finds what was changed behind its back, says so, and resets the machine.
    Reset(Target),
    /// Nor has a crash kernel, whose dump on the disk the tools can read. The dump has all that it has
    /// when the first kernel does that other thing.
    Dump(Scenario),
    /// It crashes, and a crash kernel that reports nothing saves what it wants and restarts the machine.
    Saved,
    /// The probe finds the page tables to be such as their maker should make them.
    Probe(Maker),
}

impl End {
    /// What follows a machine to it.
    pub fn of(self, machine: &Machine) -> Box<dyn Ending> {
        match self {
            Self::FirstKernel => Box::new(Kernels(1)),
            Self::NextKernel | Self::Dump(_) => Box::new(Kernels(2)),
            Self::Kernels(number) => Box::new(Kernels(number)),
            Self::Restart => Box::new(Restart),
            Self::Saved => Box::new(Saved),
            Self::Reset(target) => Box::new(Reset::new(target)),
            Self::Probe(maker) => Box::new(Probe::new(maker, machine.boot.clone())),
        }
    }
}

/// One of the ways to end, on one machine.
pub trait Ending {
    /// Takes a line of the serial port. An error is the end of the test, as it is of all of these.
    fn line(&mut self, _line: &str) -> Result<()> {
        Ok(())
    }

    /// Takes a fact. True if it is of no interest to anybody else.
    fn fact(&mut self, _fact: &Fact) -> Result<bool> {
        Ok(false)
    }

    /// A stage begins.
    fn begins(&mut self, _stage: u32) -> Result<()> {
        Ok(())
    }

    /// The guest waits, and goes on after this. What was done is worth a remark.
    fn waits(&mut self, _ram: &Ram) -> Result<Option<String>> {
        Ok(None)
    }

    /// The stage with whose end the test ends.
    fn last_stage(&self) -> u32 {
        2
    }

    /// The machine has ended in this stage. What is found out then is worth remarks.
    fn machine_ended(&mut self, stage: u32) -> Result<Vec<String>>;
}

/// So many kernels one after the other have no complaint.
struct Kernels(u32);

impl Ending for Kernels {
    fn last_stage(&self) -> u32 {
        self.0
    }

    fn machine_ended(&mut self, stage: u32) -> Result<Vec<String>> {
        bail!("the machine ended in stage {stage}")
    }
}

/// The first kernel restarts the machine.
struct Restart;

impl Ending for Restart {
    fn begins(&mut self, stage: u32) -> Result<()> {
        ensure!(stage == 1, "the next kernel was entered");
        Ok(())
    }

    fn machine_ended(&mut self, _stage: u32) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// The crash kernel does.
struct Saved;

impl Ending for Saved {
    fn machine_ended(&mut self, _stage: u32) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
