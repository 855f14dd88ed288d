//! Process 1 of the test machines: mounts what is needed, runs its stage, and ends the machine.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::mount::{mount, MsFlags};
use nix::sys::reboot::{reboot, RebootMode};
use rkexec_selftests::dump;
use rkexec_selftests::module::modprobe;
use rkexec_selftests::params::Params;
use rkexec_selftests::report::Report;
use rkexec_selftests::scenario::{self, Next, Stage1};
use rkexec_selftests::stage2;
use rkexec_selftests::sys::kexec;
use rkexec_selftests::vmcore;
use rkexec_selftests::xen;

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
    let mut report = Report::on_kernel_log()?;
    let params = Params::of_this_kernel()?;
    let stage = params.get("stage")?.unwrap_or(1);
    let title = format!("stage {stage}");
    report.begin(&title);
    let done = catch_unwind(AssertUnwindSafe(|| {
        if params.get::<String>("marker")?.is_some() {
            vmcore::check(&mut report, &params)?;
        } else if params.get::<String>(dump::PARAM)?.is_some() {
            dump::check(&mut report, &params)?;
        } else if stage > 1 && is_next_kernel(&params)? {
            stage2::check(&mut report, &params)?;
        }
        match params.get::<String>("scenario")? {
            Some(_) => run_scenario(&mut report, &params),
            None => Ok(Next::PowerOff),
        }
    }));
    let next = match done {
        Ok(Ok(next)) => next,
        Ok(Err(error)) => {
            report.result::<()>("the program runs to its end", &Err(error));
            Next::PowerOff
        }
        Err(_) => {
            report.result::<()>(
                "the program runs to its end",
                &Err(anyhow::anyhow!("panic")),
            );
            Next::PowerOff
        }
    };
    report.end(&title);
    if next == Next::Guest {
        return scenario::relay(&mut report);
    }
    if next == Next::KexecTools {
        report.line("entering the next kernel");
        return scenario::exec_by_kexec_tools();
    }
    if next == Next::Race {
        report.line("entering the next kernel");
        return scenario::race_to_exec(&mut Stage1 {
            report: &mut report,
            params: &params,
        });
    }
    if let Next::Crash(trigger) = next {
        report.line("entering the next kernel");
        if let Err(error) = trigger.pull() {
            report.line(&format!("reboot(2) came back: {error:#}"));
        }
    }
    // Even if a test has failed: what the next kernel says may tell why.
    if next == Next::Exec && kexec::loaded()? {
        report.line("entering the next kernel");
        report.line(&format!("reboot(2) came back: {}", kexec::exec()));
    }
    Ok(())
}

/// Whether this kernel was started by a kexec, and not as a guest: that has a scenario, and is none
/// of many rounds.
fn is_next_kernel(params: &Params) -> Result<bool> {
    let guest = params.get::<String>("scenario")?.is_some();
    Ok(!guest || params.get::<u32>("rounds")?.is_some())
}

fn run_scenario(report: &mut Report, params: &Params) -> Result<Next> {
    if xen::present() && Path::new("/usr/sbin/modprobe").exists() {
        // Not loaded by itself where no udev runs.
        modprobe(&["-a", "xen-privcmd", "xenfs"])?;
        mount_at("xenfs", "/proc/xen")?;
    }
    scenario::run(&mut Stage1 { report, params })
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
        mount_at(kind, place)?;
    }
    std::env::set_var("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Ok(())
}

fn mount_at(kind: &str, place: &str) -> Result<()> {
    std::fs::create_dir_all(place).with_context(|| place.to_owned())?;
    mount(
        Some(kind),
        place,
        Some(kind),
        MsFlags::empty(),
        None::<&str>,
    )
    .with_context(|| format!("mounting {kind} on {place}"))
}
