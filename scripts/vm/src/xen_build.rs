//! The builds of Xen that a machine can boot: one of each Debian release, and one of our own.

use std::fmt;

use clap::ValueEnum;

/// A build of Xen; most by the Debian release that they come from.
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
    /// One that was built here, without CONFIG_KEXEC: only for machines with a BIOS.
    WithoutKexec,
}

impl XenBuild {
    /// What its files are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Sid => "sid",
            Self::WithoutKexec => "without-kexec",
        }
    }

    /// What a test says that is skipped because it is not there.
    pub fn missing(self) -> &'static str {
        match self {
            Self::WithoutKexec => "a Xen without kexec (scripts/xen-without-kexec)",
            _ => "the Xen of a release that the archive no longer has",
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
