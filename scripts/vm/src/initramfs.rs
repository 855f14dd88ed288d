//! The initramfs of the test machines: `init`, busybox, the real modprobe, rkexec, and for the
//! next kernel the kernel once more and an initrd to build upon, or the probe.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, ensure, Context, Result};
use cpio::newc;
use flate2::write::GzEncoder;
use flate2::Compression;

use crate::assets::Assets;

const EXECUTABLE: u32 = 0o100_755;
const REGULAR: u32 = 0o100_644;
const DIRECTORY: u32 = 0o040_755;
const SYMLINK: u32 = 0o120_777;
const CONSOLE: u32 = 0o020_600;

/// The kernel's modules that a dom0 needs for its tests.
const MODULES: [&str; 5] = [
    "xen-privcmd",
    "xenfs",
    "xen-evtchn",
    "xen-gntdev",
    "xen-gntalloc",
];
/// The names under which busybox is wanted: by the modprobe configuration, and by the tests.
const BUSYBOX: [&str; 14] = [
    "sh", "cat", "dmesg", "echo", "grep", "ln", "ls", "mkdir", "mount", "seq", "sleep", "test",
    "true", "unshare",
];
const KMOD: [&str; 6] = ["modprobe", "insmod", "rmmod", "lsmod", "depmod", "modinfo"];

/// Xen's tools that make a guest.
const XEN_TOOLS: [&str; 4] = ["xl", "xenstored", "xen-init-dom0", "xenconsoled"];

/// Builds it.
///
/// # Errors
///
/// An input is missing, or a file cannot be written.
pub fn build(assets: &Assets, target: &Path) -> Result<()> {
    let next = next_initrd(assets)?;
    let mut root = Tree::default();
    base(assets, &mut root)?;
    root.file("/boot/vmlinuz", REGULAR, &read(&assets.vmlinuz())?);
    root.file("/boot/next-initrd", REGULAR, &next);
    root.file("/boot/probe", REGULAR, &read(&assets.probe())?);
    root.program(Path::new("/usr/bin/kmod"), "/usr/bin/kmod")?;
    for name in KMOD {
        root.link(&format!("/usr/sbin/{name}"), "/usr/bin/kmod");
    }
    root.program(Path::new("/usr/sbin/kexec"), "/usr/sbin/kexec")?;
    root.program(&assets.guest("kexec-client"), "/usr/bin/kexec-client")?;
    modules(assets, &mut root)?;
    if assets.modprobe_conf().exists() {
        root.file(
            "/etc/modprobe.d/rkexec.conf",
            REGULAR,
            &read(&assets.modprobe_conf())?,
        );
    }
    if assets.xen_utils().exists() {
        xen_tools(assets, &mut root)?;
    }
    let out = File::create(target).with_context(|| target.display().to_string())?;
    // Not compressed: QEMU loads it in no time, and the emulated processor has nothing to unpack.
    root.write(BufWriter::with_capacity(1 << 20, out))
}

/// What glibc opens by itself when a thread is cancelled, which xl does.
const LIBGCC: &str = "/lib/x86_64-linux-gnu/libgcc_s.so.1";

/// Xen's tools, in the directory that the package has for its version.
fn xen_tools(assets: &Assets, root: &mut Tree) -> Result<()> {
    let lib = assets.xen_utils().join("usr/lib");
    for version in fs::read_dir(&lib).with_context(|| lib.display().to_string())? {
        let dir = version?.path().join("bin");
        if dir.join("xl").exists() {
            for name in XEN_TOOLS {
                root.program(&dir.join(name), &format!("/usr/lib/xen/bin/{name}"))?;
            }
            return root.program(Path::new(LIBGCC), LIBGCC);
        }
    }
    bail!("no xl in {}/*/bin", lib.display())
}

/// What the next kernel's initrd begins with, gzipped as usual.
fn next_initrd(assets: &Assets) -> Result<Vec<u8>> {
    let mut root = Tree::default();
    base(assets, &mut root)?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    root.write(&mut packed)?;
    Ok(packed.finish()?)
}

/// What both kernels need.
fn base(assets: &Assets, root: &mut Tree) -> Result<()> {
    root.program(&assets.guest("init"), "/init")?;
    root.program(Path::new("/usr/bin/busybox"), "/bin/busybox")?;
    for name in BUSYBOX {
        root.link(&format!("/bin/{name}"), "/bin/busybox");
    }
    root.link("/usr/lib", "../lib");
    root.link("/sbin", "usr/sbin");
    // The kernel opens it for process 1 before anything is mounted.
    root.add("/dev/console", CONSOLE, Vec::new());
    root.add("/tmp", DIRECTORY, Vec::new());
    Ok(())
}

/// `/lib/modules`, with the lists that depmod makes.
fn modules(assets: &Assets, root: &mut Tree) -> Result<()> {
    let version = kernel_version(&read(&assets.vmlinuz())?)?;
    let stage = std::env::temp_dir().join(format!("vm-modules-{}", std::process::id()));
    let result = stage_modules(assets, root, &version, &stage);
    fs::remove_dir_all(&stage).with_context(|| stage.display().to_string())?;
    result
}

fn stage_modules(assets: &Assets, root: &mut Tree, version: &str, stage: &Path) -> Result<()> {
    let dir = stage.join("lib/modules").join(version);
    fs::create_dir_all(dir.join("updates"))?;
    let available = assets.modules();
    for name in MODULES {
        let file = find_module(&available, name)?
            .with_context(|| format!("no module {name} below {}", available.display()))?;
        let to = dir.join(file.file_name().unwrap_or_default());
        fs::copy(&file, to).with_context(|| file.display().to_string())?;
    }
    let ko = assets.ko();
    if ko.exists() {
        fs::copy(&ko, dir.join("updates/rkexec.ko")).with_context(|| ko.display().to_string())?;
    }
    // Without these it complains about every module that is built in.
    for list in ["modules.builtin", "modules.order"] {
        fs::write(dir.join(list), "")?;
    }
    // Where depmod looks depends on whether the distribution has merged /usr.
    fs::create_dir(stage.join("usr"))?;
    symlink("../lib", stage.join("usr/lib"))?;
    let depmod = Command::new("depmod")
        .arg("-b")
        .arg(stage)
        .arg(version)
        .output();
    let depmod = depmod.context("cannot run depmod (package kmod)")?;
    let said = String::from_utf8_lossy(&depmod.stderr);
    ensure!(depmod.status.success(), "depmod: {}: {said}", depmod.status);
    root.directory(&dir, &format!("/lib/modules/{version}"))
}

/// A module by its name, whatever it is packed with.
fn find_module(dir: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let path = entry.path();
        // Not through links: `build` is one, to all of the kernel's headers.
        if entry.file_type()?.is_dir() {
            if let Some(found) = find_module(&path, name)? {
                return Ok(Some(found));
            }
        } else {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            if file
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(".ko"))
            {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// The version that a kernel says it is (`kernel_version` in Documentation/arch/x86/boot.rst).
fn kernel_version(kernel: &[u8]) -> Result<String> {
    let header = kernel
        .get(0x202..0x210)
        .context("the kernel is no bzImage: too short")?;
    ensure!(&header[..4] == b"HdrS", "the kernel is no bzImage");
    let at = usize::from(u16::from_le_bytes([header[0xc], header[0xd]])) + 0x200;
    let text = kernel.get(at..).context("the kernel has no version")?;
    let word: Vec<u8> = text
        .iter()
        .copied()
        .take_while(|c| c.is_ascii_graphic())
        .collect();
    ensure!(!word.is_empty(), "the kernel has no version");
    Ok(String::from_utf8(word)?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// A tree of files, in the order of their names: a directory comes before what is in it.
#[derive(Default)]
struct Tree(BTreeMap<String, (u32, Vec<u8>)>);

impl Tree {
    fn add(&mut self, path: &str, mode: u32, data: Vec<u8>) {
        let mut parent = Path::new(path);
        while let Some(dir) = parent.parent().filter(|dir| *dir != Path::new("/")) {
            let dir_name = dir.display().to_string();
            self.0.entry(dir_name).or_insert((DIRECTORY, Vec::new()));
            parent = dir;
        }
        self.0.insert(path.to_owned(), (mode, data));
    }

    fn file(&mut self, path: &str, mode: u32, data: &[u8]) {
        self.add(path, mode, data.to_vec());
    }

    fn link(&mut self, path: &str, to: &str) {
        self.add(path, SYMLINK, to.as_bytes().to_vec());
    }

    /// A program of this system, with the libraries that it is linked with.
    fn program(&mut self, from: &Path, path: &str) -> Result<()> {
        self.add(path, EXECUTABLE, read(from)?);
        let ldd = Command::new("ldd")
            .arg(from)
            .output()
            .context("cannot run ldd")?;
        // `name => /path (address)` or `/path (address)`; nothing like it for a static program.
        for line in String::from_utf8(ldd.stdout)?.lines() {
            let mut words = line.split_whitespace().filter(|word| word.starts_with('/'));
            if let Some(library) = words.next() {
                self.add(library, EXECUTABLE, read(Path::new(library))?);
            }
            if line.contains("not found") {
                bail!("{}: {}", from.display(), line.trim());
            }
        }
        Ok(())
    }

    /// All the files below a directory.
    fn directory(&mut self, from: &Path, path: &str) -> Result<()> {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let name = format!("{path}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.directory(&entry.path(), &name)?;
            } else {
                self.file(&name, REGULAR, &read(&entry.path())?);
            }
        }
        Ok(())
    }

    /// Writes the tree as a newc archive.
    fn write(&self, mut out: impl Write) -> Result<()> {
        for (number, (path, (mode, data))) in (1..).zip(&self.0) {
            let mut entry = newc::Builder::new(path.trim_start_matches('/'))
                .mode(*mode)
                .ino(number);
            if *mode == CONSOLE {
                entry = entry.rdev_major(5).rdev_minor(1);
            }
            let mut file = entry.write(&mut out, u32::try_from(data.len())?);
            file.write_all(data)?;
            file.finish()?;
        }
        newc::trailer(&mut out)?;
        Ok(out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_every_directory_before_what_is_in_it() {
        let mut tree = Tree::default();
        tree.file("/a/b/c", REGULAR, b"data");
        tree.link("/a-link", "/a/b/c");
        let mut archive = Vec::new();
        tree.write(&mut archive).unwrap();
        let mut rest = &archive[..];
        let mut names = Vec::new();
        loop {
            let reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            names.push((reader.entry().name().to_owned(), reader.entry().mode()));
            rest = reader.finish().unwrap();
        }
        let expected = [
            ("a", DIRECTORY),
            ("a-link", SYMLINK),
            ("a/b", DIRECTORY),
            ("a/b/c", REGULAR),
        ];
        assert_eq!(names, expected.map(|(name, mode)| (name.to_owned(), mode)));
    }

    #[test]
    fn the_version_of_a_kernel_is_the_first_word_of_its_version_text() {
        let mut kernel = vec![0; 0x400];
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        kernel[0x300..0x30d].copy_from_slice(b"7.3.4+x (me) ");
        assert_eq!(kernel_version(&kernel).unwrap(), "7.3.4+x");
        assert!(kernel_version(&kernel[..0x100]).is_err());
    }
}
