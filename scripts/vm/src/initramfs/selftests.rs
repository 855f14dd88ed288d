//! What Linux's own tests of kexec want beside the rest: their files, a shell that is bash, and
//! real programs where busybox has less. It goes behind the initramfs of the other machines, as an
//! archive of its own: the kernel unpacks one after the other.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use fs_err::{self as fs, OpenOptions};

use super::tree::Tree;
use crate::inputs::{asset, Inputs};

/// Programs of this system. Not `stdbuf`: the runner of the tests uses it if it is there, and it
/// wants a library that no program is linked with. Not `perl` either: without it the runner makes
/// do with `sed`.
const PROGRAMS: [&str; 24] = [
    "arch", "awk", "basename", "cat", "cut", "dirname", "find", "getfattr", "grep", "head",
    "hexdump", "id", "mktemp", "pesign", "rm", "sed", "sort", "tail", "timeout", "tr", "uname",
    "uniq", "wc", "which",
];
/// What `pesign` opens by itself: the libraries of NSS, and its data base.
const NSS: [&str; 4] = [
    "libfreebl3.so",
    "libfreeblpriv3.so",
    "libnssdbm3.so",
    "libsoftokn3.so",
];
const LIBRARIES: &str = "/lib/x86_64-linux-gnu";
const NSS_DATA: &str = "/etc/pki/pesign";

/// The tests say `sh` and mean bash: `==` is an error for others.
const SHELLS: [&str; 2] = ["/bin/sh", "/usr/bin/bash"];
const BASH: &str = "/bin/bash";

/// An archive begins where the last one ends only at a multiple of this.
const ALIGN: u64 = 4;

/// Makes `target` out of the initramfs `base` and what the tests want.
pub fn build(inputs: &Inputs, base: &Path, target: &Path) -> Result<()> {
    let mut root = Tree::default();
    root.directory(&asset("kselftests"), "/kselftests")?;
    root.own_program(BASH)?;
    for shell in SHELLS {
        root.link(shell, BASH);
    }
    for name in PROGRAMS {
        root.own_program(&format!("/usr/bin/{name}"))?;
    }
    for name in NSS {
        root.own_program(&format!("{LIBRARIES}/{name}"))?;
    }
    root.directory(Path::new(NSS_DATA), NSS_DATA)?;
    let release = inputs.release()?;
    root.link(&format!("/boot/vmlinuz-{release}"), "vmlinuz");
    // Stock kernels do not carry their configuration themselves.
    let config = fs::read(inputs.modules.join("config"))?;
    root.file(&format!("/lib/modules/{release}/config"), config);

    let length = fs::copy(base, target)?;
    let out = OpenOptions::new().append(true).open(target);
    let mut out = BufWriter::with_capacity(1 << 20, out?);
    let padding = length.next_multiple_of(ALIGN) - length;
    out.write_all(&[0; ALIGN as usize][..padding as usize])?;
    root.write(out)
}
