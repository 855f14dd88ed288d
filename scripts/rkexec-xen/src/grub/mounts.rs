//! What is mounted, from /proc/self/mountinfo.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::files::{Device, World};

/// A file system, or a part of one, that is mounted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The number of the device. Btrfs has one of its own here.
    number: String,
    /// The directory of the file system that is mounted.
    root: PathBuf,
    point: PathBuf,
    source: PathBuf,
}

impl Mount {
    /// One line of mountinfo (Documentation/filesystems/proc.rst, 3.5).
    fn parse(line: &str) -> Option<Self> {
        let (fields, more) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(2);
        Some(Self {
            number: fields.next()?.to_owned(),
            root: unescape(fields.next()?),
            point: unescape(fields.next()?),
            source: unescape(more.split(' ').nth(1)?),
        })
    }

    /// Whether this is the file system of a device.
    pub(super) fn is_on(&self, device: &Device, world: &dyn World) -> bool {
        self.number == device.number || world.device(&self.source).as_ref() == Some(device)
    }
}

/// All that is mounted, in the order of mounting.
pub(super) struct Mounts(Vec<Mount>);

impl Mounts {
    /// What is mounted in `world`; nothing if it does not say.
    pub(super) fn read(world: &dyn World) -> Self {
        let text = world.read(Path::new("/proc/self/mountinfo"));
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        Self(text.lines().filter_map(Mount::parse).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }

    /// The mount that a path is on.
    pub(super) fn covering(&self, path: &Path) -> Option<&Mount> {
        let covering = self.0.iter().filter(|mount| path.starts_with(&mount.point));
        // Of those at one point the last hides the others.
        covering.max_by_key(|mount| mount.point.as_os_str().len())
    }

    /// Where a file of the file system that `mount` is of can be seen through this mount: not if it is
    /// outside of the mounted directory, nor if something else is mounted above it.
    pub(super) fn path_on(&self, mount: &Mount, file: &str) -> Option<PathBuf> {
        let inside = Path::new(file).strip_prefix(&mount.root).ok()?;
        let path = mount.point.join(inside);
        (self.covering(&path) == Some(mount)).then_some(path)
    }
}

/// A name in which the kernel wrote blanks and the like as `\040`.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        let digits = rest
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &rest[3..];
            }
            _ => bytes.push(*first),
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_is_read() {
        let line = "36 35 0:25 /@ /mnt\\040a rw,noatime shared:1 master:2 - btrfs /dev/sda2 rw";
        assert_eq!(
            Mount::parse(line),
            Some(Mount {
                number: "0:25".into(),
                root: "/@".into(),
                point: "/mnt a".into(),
                source: "/dev/sda2".into(),
            })
        );
        assert_eq!(Mount::parse("36 35 0:25 /"), None);
        assert_eq!(Mount::parse(" - "), None);
    }

    #[test]
    fn what_is_mounted_above_hides_a_file() {
        let lines = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /boot rw - ext4 /dev/sda2 rw";
        let mounts = Mounts(lines.lines().filter_map(Mount::parse).collect());
        let [root, boot] = mounts.0.as_slice() else {
            panic!()
        };
        assert_eq!(mounts.path_on(root, "/boot/xen.gz"), None);
        assert_eq!(mounts.path_on(root, "/xen.gz"), Some("/xen.gz".into()));
        assert_eq!(mounts.path_on(boot, "/xen.gz"), Some("/boot/xen.gz".into()));
        assert_eq!(mounts.covering(Path::new("/bootx")), Some(root));
    }
}
