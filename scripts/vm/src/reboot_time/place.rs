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
    /// The entry of what was packed in it.
    #[strum(serialize = "unpacked")]
    Unpacked,
    /// It has said its first line.
    #[strum(serialize = "its first line")]
    FirstLine,
}

impl Place {
    /// The functions of the kernel that a crash, or else a reboot, leads through. They have these names.
    pub fn functions(crash: bool) -> &'static [Self] {
        match crash {
            true => &[Self::CrashKexec, Self::MachineKexec],
            false => &[Self::KernelKexec, Self::MachineShutdown, Self::MachineKexec],
        }
    }

    /// What happens from there on.
    pub fn about(self) -> &'static str {
        match self {
            Self::Call => "into the kernel",
            Self::KernelKexec => "devices",
            Self::MachineShutdown | Self::CrashKexec => "processors, interrupts",
            Self::MachineKexec => "the kernel's own copying",
            Self::Start => "the purgatory's SHA-256, or the hand-over",
            Self::Entry => "it unpacks itself",
            Self::Unpacked | Self::FirstLine => "first steps",
        }
    }
}
