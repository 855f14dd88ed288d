//! `vm`: the test machines of rkexec ([`machine`]), and what is done with them ([`Command`]).

mod assets;
mod attempts;
mod case;
mod cases;
mod command;
mod core_file;
mod core_header;
mod crash_time;
mod dump;
mod dump_bytes;
mod end;
mod ending;
mod esp;
mod gdb;
mod generation;
mod initramfs;
mod inputs;
mod interrupted;
mod kdump;
mod linux_build;
mod machine;
mod mistakes;
mod narrate;
mod owners;
mod pieces;
mod probe;
mod quiet;
mod reboot_time;
mod reset;
mod restart_time;
mod run_case;
mod soak;
mod spread;
mod suite;
mod test_run;
mod vmcore;
mod watch;
mod xen_build;
mod xen_files;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Error, Result};
use clap::{Args, Parser, Subcommand};
use rkexec_protocol::Scenario;

use crate::assets::Assets;
use crate::crash_time::CrashTimeArgs;
use crate::linux_build::LinuxBuild;
use crate::machine::DOM0;
use crate::pieces::Piece;
use crate::reboot_time::RebootTimeArgs;
use crate::restart_time::RestartTimeArgs;
use crate::soak::SoakArgs;
use crate::test_run::TestArgs;

/// Test machines for rkexec: QEMU without KVM, the stock kernel, Debian's Xen.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    assets: Assets,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Boot one machine, show its serial console, and end with it.
    Boot(BootArgs),
    /// Show the whole thing working, and tell what happens.
    Run,
    /// The same from Xen to Xen, on a Debian system.
    RunXen,
    /// Run the tests; the exit status is 0 if none failed.
    Test(TestArgs),
    /// Load and boot again and again, on every Xen in all ways.
    Soak(SoakArgs),
    /// Have the programs that people use load and start kernels, on a Debian system in dom0.
    Clients(TestArgs),
    /// Have such a system restart from Xen into Xen, in all ways.
    XenToXen(TestArgs),
    /// Run the core of the tests.
    Core(TestArgs),
    /// Run it on the kernel of Debian's unstable release.
    Sid(TestArgs),
    /// Run the tests on kernels that look for mistakes.
    Debug(TestArgs),
    /// Have a Debian system with rkexec's packages go through their life.
    LifeCycle(TestArgs),
    /// Crash such a system, which has kdump-tools, and have crash(8) read the dump.
    Kdump,
    /// Measure; the results are what the tests have to say.
    Measure(TestArgs),
    /// Measure how long it takes from a panic of dom0 to the crash kernel's first line.
    CrashTime(CrashTimeArgs),
    /// Measure how long it takes on the bare machine from reboot(2), or from a crash, to the next
    /// kernel's first line, and where the time goes: without rkexec and with it.
    RebootTime(RebootTimeArgs),
    /// Measure how long a Debian host takes to restart from Xen into Xen, and where the time goes: by
    /// rkexec-xen, and through the firmware and GRUB.
    RestartTime(RestartTimeArgs),
    /// Compare the dumps of one crash, by kexec-tools and by rkexec, byte by byte.
    DumpBytes,
}

#[derive(Args)]
struct BootArgs {
    /// The kernel on the bare machine, without Xen.
    #[arg(long)]
    native: bool,
    /// What `init` does: NAME,PARAMETER=VALUE,...
    #[arg(long, default_value = "hello")]
    scenario: Scenario,
    /// With Linux's own tests of kexec in the initramfs.
    #[arg(long)]
    selftests: bool,
    /// Do not tell `init` of rkexec.
    #[arg(long)]
    without_module: bool,
    /// More words for the kernel's command line.
    #[arg(long, default_value = "", value_name = "WORDS")]
    append: String,
    /// Seconds after which the machine is killed.
    #[arg(long, default_value_t = 180)]
    timeout: u64,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True if all went well.
fn run(cli: Cli) -> Result<bool> {
    let assets = &cli.assets;
    match cli.command {
        Command::Boot(args) => boot(assets, &args).map(|()| true),
        Command::Run => narrate::to_linux(assets),
        Command::RunXen => narrate::to_xen(assets),
        Command::Test(args) => test_run::run("test", cases::all(), assets, &args),
        Command::Soak(args) => soak::run(assets, &args),
        Command::Clients(args) => test_run::run("clients", cases::clients(), assets, &args),
        Command::XenToXen(args) => test_run::run("xen-to-xen", cases::xen_to_xen(), assets, &args),
        Command::Core(args) => test_run::run("core", cases::core(LinuxBuild::Main), assets, &args),
        Command::Sid(args) => test_run::run("sid", cases::core(LinuxBuild::Sid), assets, &args),
        Command::Debug(args) => test_run::run("debug", cases::debug(), assets, &args),
        Command::LifeCycle(args) => test_run::run("life-cycle", cases::life_cycle(), assets, &args),
        Command::Kdump => kdump::run(assets),
        Command::Measure(args) => test_run::run("measure", cases::measures(), assets, &args),
        Command::CrashTime(args) => crash_time::run(assets, &args).map(|()| true),
        Command::RebootTime(args) => reboot_time::run(assets, &args).map(|()| true),
        Command::RestartTime(args) => restart_time::run(assets, &args).map(|()| true),
        Command::DumpBytes => dump_bytes::run(assets).map(|()| true),
    }
}

fn boot(assets: &Assets, args: &BootArgs) -> Result<()> {
    let mut machine = DOM0;
    if args.native {
        machine.xen = None;
    }
    let mut files = assets.prepare("boot", 1, machine.xen)?;
    if args.selftests {
        files.need(Piece::Selftests).map_err(Error::msg)?;
        files.add_selftests()?;
        files = files.with_selftests();
    }
    files.has_module &= !args.without_module;
    let words = case::words(args.scenario, files.has_module);
    let words = format!("{words} {}", args.append);
    let log = files.output.join("serial.log");
    let (mut vm, _ram) = machine.start(&files, &words, &log, &[])?;
    vm.expire_after(Duration::from_secs(args.timeout));
    while let Some(line) = vm.next_line()? {
        println!("{line}");
    }
    eprintln!("vm: the machine has ended; its log is {}", log.display());
    Ok(())
}
