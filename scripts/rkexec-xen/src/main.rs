//! `rkexec-xen`: restarts a host into Xen without the firmware.
//!
//! What the user says, and in which order it is done; all else is in the library (`lib.rs`).

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{ensure, Context, Result};
use clap::Parser;

use rkexec_xen::grub::{self, Config, Entry, RunningSystem};
use rkexec_xen::image::Image;
use rkexec_xen::machine::{Host, Machine};
use rkexec_xen::start::{ByHand, File, Start};
use rkexec_xen::{guests, kexec};

/// Restart this host into Xen by kexec, without the firmware: into what GRUB would boot.
///
/// Shows what it will start, and loads it by kexec_load(2). `systemctl kexec` then starts it; --now does that, too.
/// It works in a dom0 with the module rkexec, and on Linux alone, where Xen is installed and not running.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// An entry of GRUB's menu, by title, id or number, as GRUB_DEFAULT has it: "1>0". Without it, the one that GRUB would boot
    #[arg(long)]
    entry: Option<String>,
    /// Show the entries with Xen, and do nothing else
    #[arg(long)]
    list: bool,
    /// GRUB's menu
    #[arg(long, value_name = "FILE", default_value = "/boot/grub/grub.cfg")]
    grub_config: PathBuf,
    #[command(flatten)]
    by_hand: ByHand,
    /// Show what would be started, and load nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Start it, by systemctl kexec: the system shuts down as for a reboot
    #[arg(long, conflicts_with = "dry_run")]
    now: bool,
    /// Go on although guests run. They end with their devices still in use, unless the system's shutdown ends them
    /// before (xendomains does)
    #[arg(long)]
    force: bool,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rkexec-xen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    let machine = Machine::find()?;
    let menu = || Config::read(&args.grub_config, machine.firmware.platform());
    if args.list {
        list(&menu()?);
        return Ok(());
    }
    let by_hand_alone = args.entry.is_none() && args.by_hand.is_whole();
    let start = match by_hand_alone {
        true => Start::default(),
        false => of_entry(&chosen(&menu()?, args.entry.as_deref())?)?,
    };
    let start = args
        .by_hand
        .apply(start)?
        .without_firmware(machine.firmware);
    print!("{start}");
    if let (Host::Xen(_), false) = (machine.host, args.dry_run) {
        kexec::check()?;
        if !args.force {
            check_guests()?;
        }
    }
    let image = Image::build(&start, &machine)?;
    if args.dry_run {
        return Ok(());
    }
    kexec::load(&image)?;
    if !args.now {
        println!("loaded: systemctl kexec starts it");
        return Ok(());
    }
    println!("loaded, and started now");
    kexec::start()
}

/// A line for each entry with Xen: what --entry takes, and its title.
fn list(menu: &Config) {
    for entry in menu.entries() {
        if entry.hypervisor.is_some() {
            println!("{:<8}{}", entry.number(), entry.title);
        }
    }
}

/// The entry that the user wants, or else GRUB's default.
fn chosen(menu: &Config, wanted: Option<&str>) -> Result<Entry> {
    let warn = |text: &str| eprintln!("rkexec-xen: {text}");
    menu.warnings().iter().for_each(|warning| warn(warning));
    let entry = match wanted {
        Some(wanted) => menu.entry(wanted),
        None => menu.default_entry(),
    }?;
    if let Some(note) = &entry.note {
        warn(note);
    }
    if let (None, Some(next)) = (wanted, menu.next_entry()) {
        warn(&format!("GRUB was told to boot `{next}` once (next_entry), and that stays so: grub-editenv - unset next_entry"));
    }
    Ok(entry)
}

/// The files of an entry, in the running system.
fn of_entry(entry: &Entry) -> Result<Start> {
    let file = |command: &grub::Command| {
        anyhow::Ok(File {
            path: command.locate(&RunningSystem)?,
            words: command.words.clone(),
        })
    };
    let hypervisor = entry.hypervisor.as_ref();
    let hypervisor = hypervisor.with_context(|| {
        format!(
            "the entry `{}` does not start Xen (--list shows those that do, --entry takes one)",
            entry.title
        )
    })?;
    Ok(Start {
        title: Some(entry.title.clone()),
        hypervisor: file(hypervisor)?,
        modules: entry.modules.iter().map(file).collect::<Result<_>>()?,
    })
}

/// Nobody's guests are lost by accident.
fn check_guests() -> Result<()> {
    let running = guests::running()
        .context("nobody tells which guests run (--force goes on all the same)")?;
    ensure!(
        running.is_empty(),
        "guests are running: {}. Shut them down (xl shutdown --all --wait), or say --force",
        running.join(", ")
    );
    Ok(())
}
