//! What follows one machine to the end of its test, in one of the ways in which a test can end well
//! ([`crate::end`]).

use anyhow::{bail, ensure, Result};
use qemu::{Ram, Vm};
use rkexec_protocol::Fact;

/// The machine from outside.
pub struct Outside<'a> {
    pub vm: &'a mut Vm,
    pub ram: &'a Ram,
}

/// One of the ways to end, on one machine.
pub trait Ending {
    /// Takes a line of the serial port. An error is the end of the test, as it is of all of these.
    fn line(&mut self, _line: &str, _outside: &mut Outside<'_>) -> Result<()> {
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

    /// The machine has ended in this stage: an error, if it was not to. What is found out then is worth
    /// remarks.
    fn machine_ended(&mut self, stage: u32) -> Result<Vec<String>> {
        bail!("the machine ended in stage {stage}")
    }
}

/// So many kernels one after the other have no complaint.
pub struct Kernels(pub u32);

impl Ending for Kernels {
    fn last_stage(&self) -> u32 {
        self.0
    }
}

/// The kernel of this stage restarts the machine.
pub struct Restart(pub u32);

impl Ending for Restart {
    fn begins(&mut self, stage: u32) -> Result<()> {
        ensure!(stage <= self.0, "the next kernel was entered");
        Ok(())
    }

    fn last_stage(&self) -> u32 {
        self.0 + 1
    }

    fn machine_ended(&mut self, _stage: u32) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
