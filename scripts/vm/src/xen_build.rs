//! The builds of Xen that a machine can boot: the usual one, one of each Debian release, and one of our
//! own.

use anyhow::{Context, Result};
use rkexec::xen_abi::Version;
use strum::Display;

/// A build of Xen; it is shown as its files are called.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq, PartialOrd, Ord)]
#[strum(serialize_all = "kebab-case")]
pub enum XenBuild {
    /// The one that machines have if nothing else is said.
    Main,
    /// Debian 11: Xen 4.14.
    Bullseye,
    /// Debian 12: Xen 4.17.
    Bookworm,
    /// Debian 13: Xen 4.20.
    Trixie,
    /// Debian's unstable release: the newest that there is.
    Sid,
    /// One that was built here, without CONFIG_KEXEC: only for machines with a BIOS.
    WithoutKexec,
}

/// The first Xen that can unpack the stock kernel. An older one is given the kernel unpacked.
const ZSTD_SINCE: Version = Version::new(4, 15);

/// Whether such a Xen can unpack the stock kernel, which is packed with zstd.
pub fn unpacks_zstd(version: Version) -> bool {
    version >= ZSTD_SINCE
}

/// The first Xen without kexec interface V1 (7702e782f3 in its repository).
const V1_UNTIL: Version = Version::new(4, 23);

/// Whether such a Xen has the older of the two kexec interfaces.
pub fn has_v1(version: Version) -> bool {
    version < V1_UNTIL
}

/// The version in a text that begins with one, such as `4.20.4-pre`.
pub fn parse_version(text: &str) -> Result<Version> {
    let version = text.split_once('.').and_then(|(major, rest)| {
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let minor = &rest[..digits.unwrap_or(rest.len())];
        major.parse().ok().zip(minor.parse().ok())
    });
    let (major, minor) = version.with_context(|| format!("{text:?} is no version of Xen"))?;
    Ok(Version::new(major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_two_numbers_whatever_comes_behind_them() {
        for text in ["4.20", "4.20\n", "4.20.4-pre", "4.20-unstable"] {
            assert_eq!(parse_version(text).unwrap(), Version::new(4, 20), "{text}");
        }
        for text in ["", "4", "4.", "x.20", "4-20", "4.x"] {
            assert!(parse_version(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_no_decimal_fractions() {
        assert!(unpacks_zstd(parse_version("4.20").unwrap()));
        assert!(!unpacks_zstd(parse_version("4.14").unwrap()));
        assert!(!unpacks_zstd(parse_version("4.2").unwrap()));
    }
}
