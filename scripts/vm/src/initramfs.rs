//! The initramfs of the test machines: `init`, busybox, the real modprobe, rkexec, and for the
//! next kernel the kernel once more and an initrd to build upon, or the probe.

mod modules;
pub mod selftests;
mod tree;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;

use anyhow::{bail, ensure, Context, Result};
use flate2::write::GzEncoder;
use flate2::Compression;

use self::modules::DISK_DRIVER;
use self::tree::{read, Tree, CONSOLE, DIRECTORY, REGULAR};
use crate::assets::Assets;

/// The names under which busybox is wanted: by the modprobe configuration, by `kexec-syscalls`, and by
/// the tests.
const BUSYBOX: [&str; 17] = [
    "sh", "cat", "dmesg", "echo", "grep", "id", "ln", "ls", "mkdir", "mount", "readlink", "rm",
    "seq", "sleep", "test", "true", "unshare",
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
    if has_dump_initrd() {
        root.file("/boot/dump-initrd", REGULAR, &dump_initrd(assets)?);
    }
    root.file("/boot/probe", REGULAR, &read(&assets.probe())?);
    root.program(Path::new("/usr/bin/kmod"), "/usr/bin/kmod")?;
    for name in KMOD {
        root.link(&format!("/usr/sbin/{name}"), "/usr/bin/kmod");
    }
    root.program(Path::new("/usr/sbin/kexec"), "/usr/sbin/kexec")?;
    root.program(&assets.kexec_syscalls(), "/usr/sbin/kexec-syscalls")?;
    root.program(&assets.guest("kexec-client"), "/usr/bin/kexec-client")?;
    modules::add_all(assets, &mut root)?;
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

const MAKEDUMPFILE: &str = "/usr/bin/makedumpfile";

/// Whether there is what a crash kernel saves its dump with: makedumpfile, in this system.
pub fn has_dump_initrd() -> bool {
    Path::new(MAKEDUMPFILE).exists()
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
    packed(&root)
}

/// The same for a crash kernel that saves its dump: with makedumpfile, and the driver of a disk.
fn dump_initrd(assets: &Assets) -> Result<Vec<u8>> {
    let mut root = Tree::default();
    base(assets, &mut root)?;
    root.program(Path::new(MAKEDUMPFILE), MAKEDUMPFILE)?;
    let driver = DISK_DRIVER.find(&assets.modules())?;
    let xz = Command::new("xz").arg("-dcf").arg(&driver).output();
    let xz = xz.context("cannot run xz (package xz-utils)")?;
    ensure!(
        xz.status.success(),
        "xz: {}: {}",
        driver.display(),
        xz.status
    );
    root.file(
        &format!("/lib/dump/{}.ko", DISK_DRIVER.name),
        REGULAR,
        &xz.stdout,
    );
    packed(&root)
}

fn packed(root: &Tree) -> Result<Vec<u8>> {
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
