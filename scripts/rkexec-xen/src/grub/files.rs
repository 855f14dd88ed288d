//! Where in the running system a file is that GRUB names.
//!
//! GRUB names a file by its file system and its path there. The running system has that file system
//! mounted somewhere, perhaps only a part of it, or it has the disk no longer where GRUB finds it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{bail, Result};

use super::mounts::{Mount, Mounts};

/// How GRUB finds the file system of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// By its UUID, in the way that udev and GRUB write it.
    FsUuid(String),
    /// By its label.
    Label(String),
    /// By a file that is on it.
    File(String),
    /// By GRUB's name of its device, such as `hd0,gpt2`.
    Device(String),
}

/// The device name that stands for the files of the running system, as in `grub-emu`.
pub(super) const HOST: &str = "host";

impl Search {
    /// The name that a script gets for a file system: `$root` holds it.
    pub(super) fn device_name(&self) -> String {
        match self {
            Self::FsUuid(uuid) => format!("fs-uuid={uuid}"),
            Self::Label(label) => format!("label={label}"),
            Self::File(file) => format!("file={file}"),
            Self::Device(name) => name.clone(),
        }
    }

    /// What a device name stands for; `None` is the running system.
    pub(super) fn of_device(name: &str) -> Option<Self> {
        Some(match name.split_once('=') {
            Some(("fs-uuid", uuid)) => Self::FsUuid(uuid.into()),
            Some(("label", label)) => Self::Label(label.into()),
            Some(("file", file)) => Self::File(file.into()),
            _ if name.is_empty() || name == HOST => return None,
            _ => Self::Device(name.into()),
        })
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FsUuid(uuid) => write!(f, "the file system with UUID {uuid}"),
            Self::Label(label) => write!(f, "the file system with label {label}"),
            Self::File(file) => write!(f, "the file system with {file}"),
            Self::Device(name) => write!(f, "GRUB's device {name}"),
        }
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File {
        /// Its length in bytes.
        len: u64,
    },
    /// A directory.
    Directory,
}

/// A block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name in /dev, without symbolic links.
    pub path: PathBuf,
    /// Its number, `major:minor`, as in mountinfo.
    pub number: String,
}

/// The files of the running system, or of a test.
pub trait World {
    /// The content of a file.
    ///
    /// # Errors
    ///
    /// Those of reading.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What there is at a path, symbolic links followed.
    fn kind(&self, path: &Path) -> Option<Kind>;

    /// The names in a directory.
    fn names(&self, directory: &Path) -> Vec<String>;

    /// The block device that a path leads to.
    fn device(&self, path: &Path) -> Option<Device>;
}

/// The running system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunningSystem;

impl World for RunningSystem {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let metadata = path.metadata().ok()?;
        Some(match metadata.is_dir() {
            true => Kind::Directory,
            false => Kind::File {
                len: metadata.len(),
            },
        })
    }

    fn names(&self, directory: &Path) -> Vec<String> {
        let entries = directory.read_dir().into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    fn device(&self, path: &Path) -> Option<Device> {
        let path = path.canonicalize().ok()?;
        let name = path.file_name()?;
        let number = Path::new("/sys/class/block").join(name).join("dev");
        let number = std::fs::read_to_string(number).ok()?.trim().to_owned();
        Some(Device { path, number })
    }
}

/// The path in the running system of a file that GRUB finds at `file` below `root`, or, without
/// `root`, of a file of the running system.
///
/// A file system that is not mounted, or that nobody knows by this name, is taken to be the one below
/// `/` or `/boot`, unless the file there is known to be on another one.
///
/// # Errors
///
/// The file is nowhere.
pub fn locate(file: &str, root: Option<&Search>, world: &dyn World) -> Result<PathBuf> {
    if !file.starts_with('/') {
        bail!("`{file}` is no absolute path");
    }
    let mounts = Mounts::read(world);
    let is_file = |path: &PathBuf| matches!(world.kind(path), Some(Kind::File { .. }));

    let wanted = root.and_then(|root| device_of(root, world));
    let on_wanted = |mount: &&Mount| match (root, &wanted) {
        (Some(Search::File(probe)), _) => mounts
            .path_on(mount, probe)
            .is_some_and(|path| world.kind(&path).is_some()),
        (_, Some(device)) => mount.is_on(device, world),
        _ => false,
    };
    let found = mounts
        .iter()
        .filter(on_wanted)
        .filter_map(|mount| mounts.path_on(mount, file))
        .find(is_file);
    if let Some(path) = found {
        return Ok(path);
    }

    let elsewhere = |path: &PathBuf| {
        let (Some(wanted), Some(mount)) = (&wanted, mounts.covering(path)) else {
            return false;
        };
        !mount.is_on(wanted, world) && has_uuid(mount, world)
    };
    let guessed = guesses(file)
        .into_iter()
        .find(|path| is_file(path) && !elsewhere(path));
    match (guessed, root, wanted) {
        (Some(path), _, _) => Ok(path),
        (None, None, _) => bail!("there is no {file}"),
        (None, Some(root), None) => bail!("{file}: {root} is not here, and there is no such file"),
        (None, Some(root), Some(device)) => {
            let device = device.path.display();
            bail!("{file} is not in what is mounted of {root} ({device})")
        }
    }
}

/// Paths below which file systems that GRUB starts from are commonly mounted. What stands before
/// `@/` is the name of a subvolume or a ZFS dataset.
fn guesses(file: &str) -> Vec<PathBuf> {
    let in_subvolume = file.split_once("@/").map(|(_, rest)| rest);
    [Some(file.trim_start_matches('/')), in_subvolume]
        .into_iter()
        .flatten()
        .flat_map(|path| [Path::new("/").join(path), Path::new("/boot").join(path)])
        .collect()
}

const BY_UUID: &str = "/dev/disk/by-uuid";

/// The device that udev knows by the name that GRUB uses.
fn device_of(root: &Search, world: &dyn World) -> Option<Device> {
    let directory = Path::new(match root {
        Search::FsUuid(_) => BY_UUID,
        Search::Label(_) => "/dev/disk/by-label",
        Search::File(_) | Search::Device(_) => return None,
    });
    let is_it = |name: &&String| match root {
        Search::FsUuid(uuid) => name.eq_ignore_ascii_case(uuid),
        Search::Label(label) => &decode(name) == label,
        Search::File(_) | Search::Device(_) => false,
    };
    let names = world.names(directory);
    let name = names.iter().find(is_it)?;
    world.device(&directory.join(name))
}

/// Whether udev knows the UUID of what is mounted here.
fn has_uuid(mount: &Mount, world: &dyn World) -> bool {
    let directory = Path::new(BY_UUID);
    let names = world.names(directory);
    let mut devices = names
        .iter()
        .filter_map(|name| world.device(&directory.join(name)));
    devices.any(|device| mount.is_on(&device, world))
}

/// The label in a link's name, where udev writes some bytes as `\x20`.
fn decode(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name;
    while let Some(at) = rest.find("\\x") {
        bytes.extend(rest[..at].bytes());
        let digits = rest.get(at + 2..at + 4).unwrap_or_default();
        match u8::from_str_radix(digits, 16) {
            Ok(byte) => {
                bytes.push(byte);
                rest = &rest[at + 4..];
            }
            Err(_) => {
                bytes.extend(b"\\x");
                rest = &rest[at + 2..];
            }
        }
    }
    bytes.extend(rest.bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}
