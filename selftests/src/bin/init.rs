//! Process 1 of the test machines: mounts what is needed, runs its stage, and ends the machine.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::time::Duration;

use anyhow::{anyhow, Context, Result};
use nix::sys::reboot::{reboot, RebootMode};
use rkexec_protocol::{Record, Scenario, Told};
use rkexec_selftests::report::Report;
use rkexec_selftests::scenario::{self, Next, Stage};
use rkexec_selftests::sys::kexec;
use rkexec_selftests::{dump, files, module, stage2, trigger, vmcore, watchers, xen};

fn main() {
    if let Err(error) = live() {
        println!("init: {error:#}");
    }
    // Process 1 must not return: that is a kernel panic, and this is the end in an orderly way.
    let _ = reboot(RebootMode::RB_POWER_OFF);
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn live() -> Result<()> {
    prepare_system()?;
    let line = std::fs::read_to_string("/proc/cmdline").context("/proc/cmdline")?;
    let told = Told::parse(&line);
    let stage = told.as_ref().map_or(1, |told| told.stage);
    let mut report = Report::on_kernel_log(stage)?;
    let told = match told {
        Ok(told) => told,
        Err(error) => {
            report.result::<()>("the command line makes sense", &Err(error));
            report.end();
            return Ok(());
        }
    };
    let done = catch_unwind(AssertUnwindSafe(|| run(&mut report, &told)));
    let done = done.unwrap_or_else(|_| Err(anyhow!("panic")));
    if done.is_err() {
        report.result("the program runs to its end", &done);
    }
    report.end();
    go_on(&mut report, &told, done.unwrap_or(Next::PowerOff))
}

/// Checks what this kernel finds, if it was started by another one, and runs its scenario.
fn run(report: &mut Report, told: &Told) -> Result<Next> {
    // A guest has a scenario, too, and was not started by a kexec. The kernels of many rounds were.
    let is_next = match told.scenario {
        None | Some(Scenario::Tools(_)) => told.stage > 1,
        Some(_) => false,
    };
    if let Some(marker) = &told.marker {
        vmcore::check(report, told, marker)?;
    } else if let Some(what) = told.dump {
        dump::check(report, what)?;
    } else if is_next {
        stage2::check(report, told)?;
    }
    let Some(scenario) = told.scenario else {
        return Ok(Next::PowerOff);
    };
    if xen::present() && Path::new("/usr/sbin/modprobe").exists() {
        // Not loaded by itself where no udev runs.
        module::modprobe(&["-a", "xen-privcmd", "xenfs"])?;
        files::mount("xenfs", "/proc/xen", None)?;
    }
    // Nobody looks any more who has found a mistake.
    let watched = scenario != Scenario::Mistakes;
    if watched {
        watchers::begin(report);
    }
    let next = scenario::run(&mut Stage { report, told }, scenario);
    if watched {
        watchers::check(report);
    }
    next
}

/// Does what comes after the report. Even if a test has failed: what the next kernel says may tell why.
fn go_on(report: &mut Report, told: &Told, next: Next) -> Result<()> {
    match next {
        Next::PowerOff => return Ok(()),
        Next::Guest => return scenario::relay(report),
        Next::Exec | Next::Door if !kexec::loaded()? => return Ok(()),
        Next::Exec
        | Next::KexecTools
        | Next::Door
        | Next::Race
        | Next::Crash(_)
        | Next::CrashAmid(_) => report.record(&Record::Enters),
    }
    let error = match next {
        Next::KexecTools => return scenario::exec_by_kexec_tools(),
        Next::Door => return scenario::exec_through_door(),
        Next::Race => return scenario::race_to_exec(report, told),
        Next::CrashAmid(what) => return scenario::crash_amid(what),
        Next::Crash(how) => trigger::pull(how).err().map(|error| format!("{error:#}")),
        _ => Some(kexec::exec().to_string()),
    };
    report.record(&Record::CameBack(error.unwrap_or_default()));
    Ok(())
}

/// The file systems that any system has, and a path to find programs on.
fn prepare_system() -> Result<()> {
    for (kind, place) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("debugfs", "/sys/kernel/debug"),
        ("tmpfs", "/run"),
    ] {
        files::mount(kind, place, None)?;
    }
    std::env::set_var("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Ok(())
}
