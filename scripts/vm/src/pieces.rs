//! What some tests need that may not be there: then they are skipped, and say what is missing and, as
//! far as the build has left word of it, why.

use std::fs;
use std::path::Path;

use strum::Display;

use crate::linux_build::LinuxBuild;
use crate::xen_build::XenBuild;

/// UEFI for virtual machines, as the Debian package `ovmf` has it.
pub const OVMF: &str = "/usr/share/ovmf/OVMF.fd";

/// Something that may be missing.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq)]
#[strum(serialize_all = "kebab-case")]
pub enum Piece {
    Xen(XenBuild),
    /// The same as a program for UEFI.
    XenEfi(XenBuild),
    /// A kernel beside the usual one.
    Linux(LinuxBuild),
    XenUtils,
    XenUtilsBookworm,
    Ovmf,
    Grub,
    GrubPc,
    Makedumpfile,
    Selftests,
    DebianTrixie,
    DebianSid,
}

impl Piece {
    /// What it is called in the directory of reasons.
    fn name(self) -> String {
        match self {
            Self::Xen(build) | Self::XenEfi(build) => format!("xen-{build}"),
            Self::Linux(build) => format!("kernel-{build}"),
            other => other.to_string(),
        }
    }

    /// What it is, for people.
    fn what(self) -> String {
        let what = match self {
            Self::Xen(XenBuild::Main) => "the usual Xen",
            Self::Xen(XenBuild::WithoutKexec) => "a Xen without kexec",
            Self::Xen(release) => return format!("the Xen of {release}"),
            Self::XenEfi(XenBuild::Main) => "xen.efi beside the Xen that was given",
            Self::XenEfi(build) => return format!("xen.efi of {build}"),
            Self::Linux(build) => build.what(),
            Self::XenUtils => "Xen's own tools",
            Self::XenUtilsBookworm => "Xen's own tools of Debian 12",
            Self::Ovmf => "UEFI for virtual machines (OVMF)",
            Self::Grub => "GRUB for UEFI",
            Self::GrubPc => "GRUB for a BIOS",
            Self::Makedumpfile => "makedumpfile",
            Self::Selftests => "Linux's own tests",
            Self::DebianTrixie => "a small Debian system",
            Self::DebianSid => "a small system of Debian sid",
        };
        what.to_owned()
    }

    /// What a test says that cannot be run without it. The reason is the first line of the file in
    /// `dir` that is called as the piece is, if there is one.
    pub fn missing(self, dir: &Path) -> String {
        let what = self.what();
        let text = fs::read_to_string(dir.join(self.name())).unwrap_or_default();
        match text.lines().next().map(str::trim) {
            None | Some("") => what,
            Some(reason) => format!("{what}: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_the_reason_behind_it_that_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::write(dir.join("xen-sid"), "the mirror has none \nand more\n").unwrap();
        fs::write(dir.join("ovmf"), "\n").unwrap();
        let of = |piece: Piece| piece.missing(dir);
        assert_eq!(
            of(Piece::Xen(XenBuild::Sid)),
            "the Xen of sid: the mirror has none"
        );
        assert_eq!(of(Piece::Ovmf), "UEFI for virtual machines (OVMF)");
        assert_eq!(of(Piece::Makedumpfile), "makedumpfile");
    }

    #[test]
    fn reasons_are_called_as_the_build_calls_them() {
        let pieces = [
            (Piece::Xen(XenBuild::Bullseye), "xen-bullseye"),
            (Piece::Xen(XenBuild::Bookworm), "xen-bookworm"),
            (Piece::Xen(XenBuild::Trixie), "xen-trixie"),
            (Piece::Xen(XenBuild::Sid), "xen-sid"),
            (Piece::Xen(XenBuild::WithoutKexec), "xen-without-kexec"),
            (Piece::Linux(LinuxBuild::Second), "kernel-second"),
            (Piece::XenUtils, "xen-utils"),
            (Piece::XenUtilsBookworm, "xen-utils-bookworm"),
            (Piece::Ovmf, "ovmf"),
            (Piece::Grub, "grub"),
            (Piece::GrubPc, "grub-pc"),
            (Piece::Makedumpfile, "makedumpfile"),
            (Piece::Selftests, "selftests"),
            (Piece::DebianTrixie, "debian-trixie"),
            (Piece::DebianSid, "debian-sid"),
        ];
        for (piece, name) in pieces {
            assert_eq!(piece.name(), name);
        }
    }
}
