//! A system that is a list of files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::grub::files::{Device, Kind};
use crate::grub::{Config, Platform, World};

/// Files with their texts, and block devices with the names that lead to them.
#[derive(Clone, Default)]
pub(super) struct Files {
    files: BTreeMap<PathBuf, String>,
    devices: BTreeMap<PathBuf, Device>,
}

impl Files {
    /// A system with `/boot/grub/grub.cfg`.
    pub(super) fn menu(text: &str) -> Self {
        Self::default().file("/boot/grub/grub.cfg", text)
    }

    /// That of Debian, with what `GRUB_DEFAULT` has made of it.
    pub(super) fn debian(default: &str) -> Self {
        Self::menu(&include_str!("debian.cfg").replace("@DEFAULT@", default))
    }

    pub(super) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    /// The environment block, in full length.
    pub(super) fn grubenv(self, variables: &str) -> Self {
        let text = format!("# GRUB Environment Block\n{variables}\n");
        self.file("/boot/grub/grubenv", &format!("{text:#<1024}"))
    }

    /// A device under its own name and under others.
    pub(super) fn device(mut self, path: &str, number: &str, links: &[&str]) -> Self {
        for name in links.iter().chain([&path]) {
            let device = Device {
                path: path.into(),
                number: number.into(),
            };
            self.devices.insert(name.into(), device);
        }
        self
    }

    /// What is mounted: number, root, point and source for each.
    pub(super) fn mounts(self, mounts: &[[&str; 4]]) -> Self {
        let lines = mounts
            .iter()
            .enumerate()
            .map(|(id, [number, root, point, source])| {
                format!("{id} 1 {number} {root} {point} rw,relatime shared:1 - ext4 {source} rw\n")
            });
        let text: String = lines.collect();
        self.file("/proc/self/mountinfo", &text)
    }

    pub(super) fn read_menu(self, platform: Platform) -> anyhow::Result<Config> {
        Config::read_in(Rc::new(self), Path::new("/boot/grub/grub.cfg"), platform)
    }

    /// The menu on a BIOS.
    pub(super) fn config(self) -> Config {
        self.read_menu(Platform::Pc).unwrap()
    }
}

impl World for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.files.get(path);
        let text = text.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(text.clone().into_bytes())
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        if let Some(text) = self.files.get(path) {
            let len = text.len().try_into().ok()?;
            return Some(Kind::File { len });
        }
        let mut files = self.files.keys();
        files
            .any(|file| file.starts_with(path))
            .then_some(Kind::Directory)
    }

    fn names(&self, directory: &Path) -> Vec<String> {
        let inside = self
            .devices
            .keys()
            .filter(|path| path.parent() == Some(directory));
        inside
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect()
    }

    fn device(&self, path: &Path) -> Option<Device> {
        self.devices.get(path).cloned()
    }
}
