//! The kernels that a machine can boot first: the usual one, others of Debian's, and those that are built to look for
//! mistakes.

use strum::Display;

/// A kernel with the module that was built for it; it is shown as its files are called.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq, PartialOrd, Ord)]
#[strum(serialize_all = "kebab-case")]
pub enum LinuxBuild {
    /// The one that machines have if nothing else is said: the newest of those that rkexec is known to
    /// work on, or the one that was asked for.
    Main,
    /// The newest of those of another series.
    Second,
    /// That of Debian's unstable release.
    Sid,
    /// One that looks for mistakes while it runs, as far as a dom0 can (`scripts/debug-kernel`).
    DebugDom0,
    /// The same with KASAN, for the bare machine.
    DebugKasan,
}

impl LinuxBuild {
    /// What it is, for people.
    pub fn what(self) -> &'static str {
        match self {
            Self::Main => "the usual kernel",
            Self::Second => "another kernel",
            Self::Sid => "the kernel of sid",
            Self::DebugDom0 => "debug kernel",
            Self::DebugKasan => "KASAN",
        }
    }

    /// Whether it looks for mistakes, and reports them.
    pub fn is_debug(self) -> bool {
        matches!(self, Self::DebugDom0 | Self::DebugKasan)
    }
}
