//! One load, and off into the next kernel.

use std::os::fd::OwnedFd;

use nix::fcntl::{fcntl, FcntlArg};
use nix::unistd::{pipe, write};
use rkexec_protocol::scenario::Boot;

use super::door;
use super::prelude::*;
use crate::ownership::Ownership;
use crate::{console, past_kernel};

pub fn run(stage: &mut Stage<'_>, boot: Boot) -> Result<Next> {
    let Stage { report, told } = stage;
    match boot.abi.filter(|_| told.module) {
        Some(abi) => {
            let xen = told.xen.as_deref().context("which Xen was booted?")?;
            report.test("modprobe rkexec", |_| module::load_by(abi));
            report.test(
                "it uses the wanted interface of the Xen that is there",
                |_| module::expect_interface(abi, xen),
            );
        }
        None if told.module => {
            report.test("modprobe rkexec", |_| module::load());
        }
        None => {}
    }
    let mut plan = Plan::after(told);
    plan.blob = boot.blob;
    plan.told.lines = boot.lines;
    plan.told.lockdown = boot.lockdown;
    let loader = Loader::new(plan)?;
    if boot.lines > 0 {
        let name = "the machine's map is as long as it should be";
        report.test(name, |report| {
            loader.machine.expect_lines(report, boot.lines)
        });
    }
    if boot.tools {
        let name = "kexec -l, as it is: it calls Xen, and the kernel loads the image";
        report.test(name, |_| served_by_the_kernel(&loader));
    }
    let _scattered = scatter_free_memory(boot.scatter)?;
    loader.test_to(report, boot.call.name(), boot.call, boot.dest);
    if boot.pause {
        let line = console::ask(report)?;
        ensure!(line == "go", "a line came that is {line:?}");
    }
    Ok(Next::Exec)
}

/// Has kexec-tools load and unload, which calls Xen for that.
fn served_by_the_kernel(loader: &Loader) -> Result<()> {
    let mut log = KernelLog::from_now_on()?;
    let place = Ownership::read(&Xen::open()?)?.largest_run()?;
    past_kernel::load(Some(place), KERNEL, INITRD, loader.cmdline())?;
    log.expect_all(&["rkexec: kexec", door::SAYS])?;
    loader.expect_loaded(true)?;
    module::expect_map("default")?;
    past_kernel::unload()?;
    loader.expect_loaded(false)
}

/// Leaves so many MiB of free memory in pages without a free neighbour, as long as the result
/// lives. The kernel hands out such pages first.
///
/// Pipes, because their pages are of the kind that the kernel cannot move, as those of an image
/// are; it keeps the two kinds apart. Two of them are filled by turns, and one is closed again.
fn scatter_free_memory(mib: u32) -> Result<Vec<(OwnedFd, OwnedFd)>> {
    const PIPE: i32 = 1 << 20;
    let page = [1; 4096];
    let (mut kept, mut freed) = (Vec::new(), Vec::new());
    for _ in 0..mib {
        let pair = [pipe().context("a pipe")?, pipe().context("a pipe")?];
        for (_, end) in &pair {
            fcntl(end, FcntlArg::F_SETPIPE_SZ(PIPE)).context("the size of a pipe")?;
        }
        for _ in 0..PIPE as usize / page.len() {
            for (_, end) in &pair {
                write(end, &page).context("filling a pipe")?;
            }
        }
        let [keep, free] = pair;
        kept.push(keep);
        freed.push(free);
    }
    Ok(kept)
}
