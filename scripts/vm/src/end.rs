//! How a test ends well.

use rkexec_protocol::Scenario;

use crate::core_header::CoreHeader;
use crate::ending::{Ending, Kernels, Restart};
use crate::interrupted::Interrupted;
use crate::probe::{Entered, Maker, Probe};
use crate::quiet::Quiet;
use crate::reset::{Reset, Target};

/// How a test ends well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first kernel has no complaint.
    FirstKernel,
    /// Nor has the next one.
    NextKernel,
    /// Nor have so many kernels one after the other, and no device was at work when one was entered.
    Quiet(u32),
    /// Nor have so many kernels one after the other.
    Kernels(u32),
    /// Nor has the next one, though the hand-over was interrupted by NMIs.
    Interrupted,
    /// Nor has a crash kernel, though a bit of its ELF core header was changed that says nothing.
    CoreHeader,
    /// It cannot start the next one, and restarts the machine.
    Restart,
    /// The hand-over finds what was changed behind its back, says so, and resets the machine.
    Reset(Target),
    /// Nor has a crash kernel, whose dump on the disk the tools can read. The dump has all that it has
    /// when the first kernel does that other thing.
    Dump(Scenario),
    /// The last of so many kernels crashes, and a crash kernel that reports nothing saves what it wants and restarts
    /// the machine.
    Saved(u32),
    /// The probe finds the page tables to be such as their maker should make them.
    Probe(Maker, Entered),
}

impl End {
    /// What follows a machine to it.
    pub fn of(self) -> Box<dyn Ending> {
        match self {
            Self::FirstKernel => Box::new(Kernels(1)),
            Self::NextKernel | Self::Dump(_) => Box::new(Kernels(2)),
            Self::Quiet(number) => Box::new(Quiet::new(number)),
            Self::Kernels(number) => Box::new(Kernels(number)),
            Self::Interrupted => Box::new(Interrupted::default()),
            Self::CoreHeader => Box::new(CoreHeader::default()),
            Self::Restart => Box::new(Restart(1)),
            Self::Saved(number) => Box::new(Restart(number + 1)),
            Self::Reset(target) => Box::new(Reset::new(target)),
            Self::Probe(maker, entered) => Box::new(Probe::new(maker, entered)),
        }
    }
}
