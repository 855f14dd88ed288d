//! An image whose way into the next kernel somebody outside follows: he is told where the kernel's
//! functions are that it leads through, and says when to go.

use std::time::Instant;

use rkexec_protocol::choice::{Extra, Trigger};
use rkexec_protocol::hex::Hex;
use rkexec_protocol::scenario::Timed;
use rkexec_protocol::Fact;

use super::prelude::*;
use crate::{console, files};

/// What a reboot leads through, and what a crash does.
const FUNCTIONS: [&str; 4] = [
    "kernel_kexec",
    "machine_shutdown",
    "__crash_kexec",
    "machine_kexec",
];

pub fn run(stage: &mut Stage<'_>, timed: Timed) -> Result<Next> {
    if stage.told.module {
        // A module that cannot take its times does not know the parameter: the kernel says so, and goes on.
        let load = |_: &mut Report| module::modprobe(&[module::NAME, "debug=1"]);
        stage.test("modprobe rkexec debug=1", load);
    }
    let mut plan = Plan::after(stage.told);
    plan.blob = timed.blob;
    plan.next = Some(Extra::EarlyConsole);
    // Wherever it unpacks itself takes time to be found, and other memory every time.
    plan.words = "nokaslr nr_cpus=1";
    let loader = Loader::new(plan)?;
    stage.test("kexec_file_load", |report| {
        let kind = if timed.crash { kexec::FILE_ON_CRASH } else { 0 };
        let started = Instant::now();
        loader.load_file(kind | kexec::FILE_DEBUG)?;
        let took = started.elapsed().as_millis();
        report.fact(&Fact::LoadTook(u64::try_from(took)?));
        Ok(())
    });
    stage.test(
        "the kernel has the functions that this is about",
        tell_functions,
    );
    let line = console::ask(stage.report)?;
    ensure!(line == "go", "a line came that is {line:?}");
    Ok(match timed.crash {
        true => Next::Crash(Trigger::Sysrq),
        false => Next::Exec,
    })
}

fn tell_functions(report: &mut Report) -> Result<()> {
    let symbols = files::read("/proc/kallsyms")?;
    for name in FUNCTIONS {
        // Behind the name of a module's function is that of the module.
        let mut lines = symbols.lines().map(|line| line.split_whitespace());
        let at = lines.find_map(|mut words| {
            let (at, _kind, symbol) = (words.next()?, words.next()?, words.next()?);
            (symbol == name && words.next().is_none()).then_some(at)
        });
        let at = at.with_context(|| format!("/proc/kallsyms has no {name}"))?;
        report.fact(&Fact::Symbol {
            name: name.to_owned(),
            at: Hex(u64::from_str_radix(at, 16)?),
        });
    }
    Ok(())
}
