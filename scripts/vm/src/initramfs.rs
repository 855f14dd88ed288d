//! The initramfs of the test machines: `init`, busybox, the real modprobe, rkexec, and for the
//! next kernel the kernel once more and an initrd to build upon, or the probe.

mod modules;
pub mod selftests;
mod tree;

use std::io::BufWriter;
use std::path::Path;
use std::process::Command;

use anyhow::{bail, Result};
use flate2::write::GzEncoder;
use flate2::Compression;
use fs_err::{self as fs, File};

use self::modules::DISK_DRIVER;
use self::tree::{Tree, CONSOLE, DIRECTORY};
use crate::command;
use crate::inputs::{asset, Inputs};

/// The names under which busybox is wanted: by the modprobe configuration, by `kexec-syscalls`, and by
/// the tests.
const BUSYBOX: [&str; 17] = [
    "sh", "cat", "dmesg", "echo", "grep", "id", "ln", "ls", "mkdir", "mount", "readlink", "rm",
    "seq", "sleep", "test", "true", "unshare",
];
const KMOD: [&str; 6] = ["modprobe", "insmod", "rmmod", "lsmod", "depmod", "modinfo"];

/// Xen's tools that make a guest.
const XEN_TOOLS: [&str; 4] = ["xl", "xenstored", "xen-init-dom0", "xenconsoled"];

pub fn build(inputs: &Inputs, target: &Path) -> Result<()> {
    let mut root = base()?;
    root.file("/boot/vmlinuz", fs::read(&inputs.vmlinuz)?);
    root.file("/boot/next-initrd", packed(&base()?)?);
    if has_dump_initrd() {
        root.file("/boot/dump-initrd", dump_initrd(inputs)?);
    }
    root.file("/boot/probe", fs::read(asset("probe"))?);
    root.own_program("/usr/bin/kmod")?;
    for name in KMOD {
        root.link(&format!("/usr/sbin/{name}"), "/usr/bin/kmod");
    }
    root.own_program("/usr/sbin/kexec")?;
    root.program(&asset("kexec-syscalls"), "/usr/sbin/kexec-syscalls")?;
    root.program(&asset("guest/kexec-client"), "/usr/bin/kexec-client")?;
    modules::add_all(inputs, &mut root)?;
    let conf = fs::read(asset("rkexec.conf"))?;
    root.file("/etc/modprobe.d/rkexec.conf", conf);
    if asset("xen-utils").exists() {
        xen_tools(&mut root)?;
    }
    let out = File::create(target)?;
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
fn xen_tools(root: &mut Tree) -> Result<()> {
    let lib = asset("xen-utils/usr/lib");
    for version in fs::read_dir(&lib)? {
        let dir = version?.path().join("bin");
        if dir.join("xl").exists() {
            for name in XEN_TOOLS {
                root.program(&dir.join(name), &format!("/usr/lib/xen/bin/{name}"))?;
            }
            return root.own_program(LIBGCC);
        }
    }
    bail!("no xl in {}/*/bin", lib.display())
}

/// What the initrd of a crash kernel begins with that saves its dump: as that of any next kernel, with
/// makedumpfile, and the driver of a disk.
fn dump_initrd(inputs: &Inputs) -> Result<Vec<u8>> {
    let mut root = base()?;
    root.own_program(MAKEDUMPFILE)?;
    let driver = DISK_DRIVER.find(&inputs.modules)?;
    let driver = command::run(Command::new("xz").arg("-dcf").arg(driver))?;
    let path = format!("/lib/dump/{}.ko", DISK_DRIVER.0);
    root.file(&path, driver);
    packed(&root)
}

/// As an initrd usually is.
fn packed(root: &Tree) -> Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    root.write(&mut packed)?;
    Ok(packed.finish()?)
}

/// What both kernels need; the next one's initrd begins with it.
fn base() -> Result<Tree> {
    let mut root = Tree::default();
    root.program(&asset("guest/init"), "/init")?;
    root.program(Path::new("/usr/bin/busybox"), "/bin/busybox")?;
    for name in BUSYBOX {
        root.link(&format!("/bin/{name}"), "/bin/busybox");
    }
    root.link("/usr/lib", "../lib");
    root.link("/sbin", "usr/sbin");
    // The kernel opens it for process 1 before anything is mounted.
    root.add("/dev/console", CONSOLE, Vec::new());
    root.add("/tmp", DIRECTORY, Vec::new());
    Ok(root)
}
