//! The kernels that a machine can boot first: the usual one, and others of Debian's.

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
}

impl LinuxBuild {
    /// What it is, for people.
    pub fn what(self) -> &'static str {
        match self {
            Self::Main => "the usual kernel",
            Self::Second => "another kernel",
            Self::Sid => "the kernel of sid",
        }
    }
}
