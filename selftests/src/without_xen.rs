//! Programs that must not see that they run in a dom0.
//!
//! kexec-tools, and all that calls it, goes past the kernel wherever it sees `/proc/xen`: it calls
//! Xen itself. Here it gets a `/proc` without that, with what it reads.

use std::process::Command;

use anyhow::Result;

use crate::{program, xen};

/// The arguments are the program and its own arguments.
const HIDE: &str = "
    set -e
    mkdir -p /real-proc
    mount --move /proc /real-proc
    mount -t tmpfs proc /proc
    for name in cmdline cpuinfo iomem meminfo modules mounts self; do
        ln -s /real-proc/$name /proc/$name
    done
    exec \"$@\"
";

/// The command that runs `program` so; on bare metal as it is.
pub fn command(program: &str) -> Command {
    if !xen::present() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", HIDE, "sh", program]);
    command
}

pub fn kexec_tools(arguments: &[&str]) -> Result<()> {
    program::run(command("kexec").args(arguments)).map(drop)
}
