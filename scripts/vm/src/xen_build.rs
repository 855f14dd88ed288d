//! The builds of Xen that a machine can boot: one of each Debian release.

use std::fmt;

use clap::ValueEnum;

/// A build of Xen, by the Debian release that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum XenBuild {
    /// Debian 11: Xen 4.14.
    Bullseye,
    /// Debian 12: Xen 4.17.
    Bookworm,
    /// Debian 13: Xen 4.20. The one that machines have if nothing else is said.
    Trixie,
    /// Debian's unstable release: the newest that there is.
    Sid,
}

impl XenBuild {
    /// What its files are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Sid => "sid",
        }
    }

    /// Whether it can unpack the stock kernel: Xen has zstd from 4.15 on. An older one is given the
    /// kernel unpacked.
    pub fn unpacks_zstd(self) -> bool {
        self != Self::Bullseye
    }
}

impl fmt::Display for XenBuild {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
