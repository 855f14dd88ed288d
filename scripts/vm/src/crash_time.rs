//! `vm crash-time`: how long it takes from a panic of dom0 to the crash kernel's first line, by
//! kexec-tools and by rkexec, with the same files and by turns.

use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use clap::Args;
use rkexec_protocol::choice::{Extra, Way};
use rkexec_protocol::scenario::Crash;
use rkexec_protocol::Scenario;

use crate::assets::{Assets, Files};
use crate::case::words;
use crate::machine::DOM0;
use crate::xen_build::XenBuild;

/// How often.
#[derive(Args)]
pub struct CrashTimeArgs {
    /// Crashes in each way.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

const PATIENCE: Duration = Duration::from_secs(180);
/// What the kernel says when it is told to crash.
pub const CRASH: &str = "sysrq: Trigger a crash";
/// What a kernel says first, as it does here before it has a console.
pub const FIRST_LINE: &str = "] Linux version ";
/// Who loads the crash kernel.
const WAYS: [(&str, Way); 2] = [("kexec-tools", Way::Tools), ("rkexec", Way::File)];

pub fn run(assets: &Assets, args: &CrashTimeArgs) -> Result<()> {
    let files = assets.prepare("crash-time", 1, [XenBuild::Main])?;
    let mut times = WAYS.map(|way| (way, Vec::new()));
    for round in 1..=args.rounds {
        for ((name, way), times) in &mut times {
            let took = crash(&files, *way, round).with_context(|| name.to_owned())?;
            println!("# round {round}, {name}: {} ms", took.as_millis());
            times.push(took);
        }
    }
    for ((name, _), times) in &mut times {
        times.sort();
        let (median, count) = (times[times.len() / 2].as_millis(), times.len());
        println!("# {name}: {median} ms (median of {count})");
    }
    files.remove()
}

/// Crashes a machine; the time from the first line about it to the crash kernel's first.
fn crash(files: &Files, way: Way, round: u32) -> Result<Duration> {
    let machine = DOM0.xen_options("crashkernel=256M");
    let crash = Crash::NEW.call(way).next(Some(Extra::EarlyConsole));
    let words = words(Scenario::Crash(crash), files.has_module);
    let log = files.output.join(format!("{way}-{round}.log"));
    let (mut vm, _ram) = machine.start(files, &words, &log, &[])?;
    vm.expire_after(PATIENCE);
    let mut crashed: Option<Instant> = None;
    while let Some(line) = vm.next_line()? {
        match crashed {
            None if line.contains(CRASH) => crashed = Some(Instant::now()),
            Some(since) if line.contains(FIRST_LINE) => return Ok(since.elapsed()),
            _ => {}
        }
    }
    bail!("no crash kernel has started; the log is {}", log.display())
}
