//! kexec-tools on the bare machine, as people use it.

use std::process::Command;

use rkexec_protocol::choice::{Amid, Gone, Trigger};
use rkexec_protocol::scenario::Tools;
use rkexec_protocol::Scenario;

use super::prelude::*;
use crate::console;
use crate::marker;
use crate::memory_blocks;
use crate::program::{self, kexec_files};
use crate::sys::schedule;

pub fn run(stage: &mut Stage<'_>, tools: Tools) -> Result<Next> {
    let Tools { crash, rounds, .. } = tools;
    if stage.told.module {
        stage.load_module();
    }
    // The last of many rounds is this kernel's.
    let left = rounds.saturating_sub(1);
    let mut plan = Plan::after(stage.told);
    plan.next = tools.next;
    plan.told.first = tools.first;
    if crash {
        plan.told.marker = Some(marker::leave()?);
    }
    if left > 0 {
        plan.told.module = stage.told.module;
        plan.told.scenario = Some(Scenario::Tools(tools.rounds(left)));
    }
    let loader = Loader::new(plan)?;
    let load = |stage: &mut Stage<'_>, name: &str| {
        stage.test(name, |_| {
            load(tools, loader.cmdline())?;
            expect_loaded(crash, true)?;
            if module::is_loaded() {
                module::expect_map(if crash { "crash" } else { "default" })?;
            }
            Ok(())
        })
    };
    load(stage, "kexec-tools loads a kernel");
    if let Some(gone) = tools.gone {
        stage.test("modprobe -r rkexec leaves it loaded", |_| {
            module::unload()?;
            expect_loaded(crash, true)
        });
        if gone == Gone::Unload {
            stage.test("the kernel unloads it by itself", |_| {
                program::run(Command::new("kexec").args([option(tools), "-u"]))?;
                expect_loaded(crash, false)
            });
            load(stage, "and loads another");
        }
    }
    if tools.hotplug {
        stage.test("a piece of memory goes and comes back", |report| {
            memory_blocks::take_one_away(report)
        });
    }
    if tools.pause {
        let line = console::ask(stage.report)?;
        ensure!(line == "go", "a line came that is {line:?}");
    }
    if rounds > 0 {
        // This process and its children, among them kexec-tools.
        schedule::keep_to(left as usize)?;
        let note = format!("entering it from processor {left}, {left} to come");
        stage.report.note(&note);
    }
    if tools.amid == Some(Amid::Exec) {
        stage.test("a default image is loaded, too", |_| {
            loader.load(Call::File)
        });
    }
    Ok(match (crash, tools.amid) {
        (true, Some(what)) => Next::CrashAmid(what),
        (true, None) => Next::Crash(Trigger::Sysrq),
        (false, _) => Next::KexecTools,
    })
}

/// The option that makes kexec-tools use this system call and no other.
fn option(tools: Tools) -> &'static str {
    match tools.syscall {
        Call::File => "-s",
        Call::Load => "-c",
    }
}

pub(super) fn load(tools: Tools, cmdline: &str) -> Result<()> {
    let mut kexec = Command::new("kexec");
    let kind = if tools.crash { "-p" } else { "-l" };
    kexec.args([option(tools), kind, KERNEL]);
    program::run(kexec.args(kexec_files(INITRD, cmdline))).map(drop)
}

fn expect_loaded(crash: bool, loaded: bool) -> Result<()> {
    match crash {
        true => kexec::expect_crash_loaded(loaded),
        false => kexec::expect_loaded(loaded),
    }
}
