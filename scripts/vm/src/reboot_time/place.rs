//! The places on the way from one kernel into the next.

use strum::Display;

/// Such a place, in the order in which they are passed.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A program is about to call `reboot(2)`, or to make the kernel crash: it has said so.
    #[strum(serialize = "the call")]
    Call,
    #[strum(serialize = "kernel_kexec")]
    KernelKexec,
    #[strum(serialize = "machine_shutdown")]
    MachineShutdown,
    #[strum(serialize = "__crash_kexec")]
    CrashKexec,
    #[strum(serialize = "machine_kexec")]
    MachineKexec,
    /// The first instruction that is not the kernel's: the purgatory's, or the hand-over's.
    #[strum(serialize = "image->start")]
    Start,
    /// The next kernel's 64-bit entry, before it is unpacked.
    #[strum(serialize = "the next kernel")]
    Entry,
    /// It has said its first line.
    #[strum(serialize = "its first line")]
    FirstLine,
}

impl Place {
    /// Those that are functions of the kernel, which has them by these names.
    pub const FUNCTIONS: [Self; 4] = [
        Self::KernelKexec,
        Self::MachineShutdown,
        Self::CrashKexec,
        Self::MachineKexec,
    ];

    /// What happens from there on.
    pub fn about(self) -> &'static str {
        match self {
            Self::Call => "into the kernel",
            Self::KernelKexec => "devices are shut down",
            Self::MachineShutdown | Self::CrashKexec => "processors and interrupts",
            Self::MachineKexec => "the kernel's own copying, if it copies",
            Self::Start => "stock: SHA-256; rkexec: what it has there",
            Self::Entry | Self::FirstLine => "it unpacks itself, and begins",
        }
    }
}
