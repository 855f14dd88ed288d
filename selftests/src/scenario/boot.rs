//! One load, and off into the next kernel.
//!
//! `vmtest.call=` file or load, `vmtest.dest=` a [`Destination`], `vmtest.blob=` MiB,
//! `vmtest.scatter=` MiB of free memory in single pages, `vmtest.lines=` the least number of lines
//! that the machine's map has to have, `vmtest.abi=`: the interface of Xen that the module has to
//! use, `vmtest.lockdown=LEVEL`: the kernel is locked down when `kexec_file_load` comes,
//! `vmtest.pause=1`: wait for a line on the console before the next kernel is entered, so that
//! somebody outside can change memory.

use std::os::fd::OwnedFd;

use anyhow::{ensure, Context, Result};
use nix::fcntl::{fcntl, FcntlArg};
use nix::unistd::{pipe, write};

use super::loader::{Call, Loader};
use super::{Next, Stage1};
use crate::places::Destination;
use crate::{console, module};

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let params = stage.params;
    if params.get::<String>("module")?.is_some() {
        stage.report.test("modprobe rkexec", |_| module::load());
        if params.get::<String>("abi")?.is_some() {
            stage.report.test(
                "it uses the wanted interface of the Xen that is there",
                |_| module::expect_interface(params),
            );
        }
    }
    let call: Call = stage.params.get("call")?.unwrap_or(Call::File);
    let destination = stage.params.get("dest")?.unwrap_or(Destination::Lowest);
    let loader = Loader::new(stage)?;
    if let Some(least) = stage.params.get("lines")? {
        let name = "the machine's map is as long as it should be";
        stage
            .report
            .test(name, |report| loader.machine.expect_lines(report, least));
    }
    let scatter: Option<i32> = stage.params.get("scatter")?;
    let _scattered = scatter.map(scatter_free_memory).transpose()?;
    let loaded = loader.load_and_check(stage, call, destination);
    stage.report.result(call.name(), &loaded);
    if stage.params.get("pause")? == Some(1) {
        let line = console::ask(stage.report)?;
        ensure!(line == "go", "a line came that is {line:?}");
    }
    Ok(Next::Exec)
}

/// Leaves so many MiB of free memory in pages without a free neighbour, as long as the result
/// lives. The kernel hands out such pages first.
///
/// Pipes, because their pages are of the kind that the kernel cannot move, as those of an image
/// are; it keeps the two kinds apart. Two of them are filled by turns, and one is closed again.
fn scatter_free_memory(mib: i32) -> Result<Vec<(OwnedFd, OwnedFd)>> {
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
