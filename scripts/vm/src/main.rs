//! `vm`: the test machines of rkexec.
//!
//! - `vm initramfs` builds what a test machine boots from ([`initramfs`]);
//! - `vm boot` boots one machine and shows its serial console;
//! - `vm run` tells the story of one boot ([`narrate`]);
//! - `vm test` runs the tests ([`cases`], [`test_run`]);
//! - `vm kdump` tests Debian's kdump-tools ([`kdump`]);
//! - `vm crash-time` and `vm dump-bytes` compare crashes with those by kexec-tools
//!   ([`crash_time`], [`dump_bytes`]);
//! - `vm soak` does the same thing on every Xen again and again ([`soak`]).
//!
//! A machine is QEMU without KVM, so that it runs anywhere ([`machine`], the crate `qemu`).

mod assets;
mod attempts;
mod cases;
mod core_file;
mod crash_time;
mod dump;
mod dump_bytes;
mod esp;
mod generation;
mod grub;
mod initramfs;
mod kdump;
mod machine;
mod narrate;
mod owners;
mod pieces;
mod probe;
mod run_case;
mod soak;
mod suite;
mod test_run;
mod vmcore;
mod watch;
mod xen_build;
mod xen_files;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::assets::Assets;
use crate::crash_time::CrashTimeArgs;
use crate::dump_bytes::DumpBytesArgs;
use crate::kdump::KdumpArgs;
use crate::machine::{Boot, Firmware, Machine, DOM0};
use crate::narrate::RunArgs;
use crate::soak::SoakArgs;
use crate::test_run::TestArgs;
use crate::xen_build::XenBuild;

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
    /// Build the initramfs of the test machines and stop.
    Initramfs {
        /// Where to write it.
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Boot one machine, show its serial console, and end with it.
    Boot(BootArgs),
    /// Show the whole thing working, and tell what happens.
    Run(RunArgs),
    /// Run the tests; the exit status is 0 if none failed.
    Test(TestArgs),
    /// Load and boot again and again, on every Xen in all ways.
    Soak(SoakArgs),
    /// Crash a Debian system in dom0 that has kdump-tools.
    Kdump(KdumpArgs),
    /// Measure; the results are what the tests have to say.
    Measure(TestArgs),
    /// Measure how long it takes from a panic of dom0 to the crash kernel's first line.
    CrashTime(CrashTimeArgs),
    /// Compare the dumps of one crash, by kexec-tools and by rkexec, byte by byte.
    DumpBytes(DumpBytesArgs),
}

#[derive(Args)]
struct BootArgs {
    /// The kernel on the bare machine, without Xen.
    #[arg(long)]
    native: bool,
    /// Which Xen: mostly the Debian release that it comes from.
    #[arg(long, value_enum, default_value = "main", value_name = "RELEASE")]
    xen_of: XenBuild,
    /// Started by UEFI, not by a BIOS.
    #[arg(long)]
    uefi: bool,
    /// What `init` does (`vmtest.scenario=`).
    #[arg(long, default_value = "hello")]
    scenario: String,
    /// With Linux's own tests of kexec in the initramfs.
    #[arg(long)]
    selftests: bool,
    /// Do not tell `init` of rkexec.
    #[arg(long)]
    without_module: bool,
    /// More words for the kernel's command line.
    #[arg(long, default_value = "", value_name = "WORDS")]
    append: String,
    /// Megabytes of memory.
    #[arg(long, default_value_t = 2048)]
    mem: u64,
    /// Xen's dom0_mem option; empty for all memory.
    #[arg(long, default_value = "1G,max:1G")]
    dom0_mem: String,
    /// More options for Xen.
    #[arg(long, default_value = "", value_name = "WORDS")]
    xen_options: String,
    /// Seconds after which the machine is killed.
    #[arg(long, default_value_t = 180)]
    timeout: u64,
    /// Where to keep the logs.
    #[arg(long, default_value = ".build/vm/boot", value_name = "DIR")]
    output: PathBuf,
    /// More arguments for QEMU.
    #[arg(last = true)]
    qemu: Vec<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    // Of a terminal's Ctrl-C the machines learn nothing, which are no part of its group.
    ctrlc::set_handler(|| {
        qemu::kill_all();
        eprintln!("vm: interrupted");
        std::process::exit(130);
    })?;
    match cli.command {
        Command::Initramfs { output } => {
            initramfs::build(&cli.assets, &output)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Boot(args) => boot(&cli.assets, &args),
        Command::Run(args) => Ok(exit_code(narrate::run(&cli.assets, &args)?)),
        Command::Test(args) => {
            let passed = test_run::run(cases::all(), &cli.assets, &args)?;
            Ok(exit_code(passed))
        }
        Command::Soak(args) => Ok(exit_code(soak::run(&cli.assets, &args)?)),
        Command::Kdump(args) => Ok(exit_code(kdump::run(&cli.assets, &args)?)),
        Command::Measure(args) => {
            let passed = test_run::run(cases::measures(), &cli.assets, &args)?;
            Ok(exit_code(passed))
        }
        Command::CrashTime(args) => {
            crash_time::run(&cli.assets, &args)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::DumpBytes(args) => {
            dump_bytes::run(&cli.assets, &args)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn exit_code(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn boot(assets: &Assets, args: &BootArgs) -> Result<ExitCode> {
    let builds = match args.native {
        true => BTreeSet::new(),
        false => BTreeSet::from([args.xen_of]),
    };
    let mut files = assets.prepare(&args.output, &builds)?;
    if args.selftests {
        files.add_selftests(assets)?;
        files = files.with_selftests().context("there are no selftests")?;
    }
    files.has_module &= !args.without_module;
    let dom0 = Boot::Dom0 {
        xen: args.xen_of,
        dom0_mem: args.dom0_mem.clone().into(),
        options: args.xen_options.clone().into(),
    };
    let machine = Machine {
        memory_mib: args.mem,
        boot: if args.native { Boot::Native } else { dom0 },
        firmware: if args.uefi {
            Firmware::Uefi
        } else {
            Firmware::Bios
        },
        qemu: args.qemu.iter().cloned().map(Into::into).collect(),
        ..DOM0
    };
    let cmdline = format!(
        "{} vmtest.scenario={} {}",
        files.params(),
        args.scenario,
        args.append
    );
    let log = args.output.join("serial.log");
    let (mut vm, _ram) = machine.start(&files, &cmdline, &log, &[])?;
    vm.expire_after(Duration::from_secs(args.timeout));
    while let Some(line) = vm.next_line()? {
        println!("{line}");
    }
    eprintln!("vm: the machine has ended; its log is {}", log.display());
    Ok(ExitCode::SUCCESS)
}
