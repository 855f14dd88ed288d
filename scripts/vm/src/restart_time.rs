//! `vm restart-time`: how long it takes a Debian host to restart from Xen into Xen, by `rkexec-xen --now` and through
//! the firmware and GRUB, by turns on one machine; and where the time goes.
//!
//! `scripts/dom0-restart-time` is what the host does, and its serial console tells how far it has come.

mod grub;
mod table;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Error, Result};
use clap::Args;
use fs_err as fs;
use qemu::Vm;
use strum::Display;

use self::grub::host_args;
use self::table::table;
use crate::assets::Assets;
use crate::crash_time::FIRST_LINE;
use crate::pieces::Piece;

/// How often.
#[derive(Args)]
pub struct RestartTimeArgs {
    /// Restarts in each way.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// For a restart, and for the boot and the restart before the first one.
const PATIENCE: Duration = Duration::from_secs(600);
/// What the host says before each, and then the command.
const RESTARTS: &str = "vmtest: # restarts by ";
const FIRMWARE: &str = "SeaBIOS (version ";

/// A place on the way, in the order in which they are passed.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq)]
pub enum Place {
    #[strum(serialize = "the command")]
    Command,
    #[strum(serialize = "the image is loaded")]
    Loaded,
    #[strum(serialize = "the old system's last line")]
    Down,
    #[strum(serialize = "the hand-over's last line")]
    Handover,
    #[strum(serialize = "the firmware's first line")]
    Firmware,
    #[strum(serialize = "GRUB's first line")]
    Grub,
    #[strum(serialize = "Xen's first line")]
    Xen,
    #[strum(serialize = "dom0's first line")]
    Linux,
    #[strum(serialize = "systemd's first line")]
    Systemd,
    /// The line above the prompt, which itself is no whole line.
    #[strum(serialize = "the login prompt")]
    Login,
}

/// How a host restarts.
pub struct Way {
    pub command: &'static str,
    /// Where that leads by, and what is on the console then.
    pub places: &'static [(Place, &'static str)],
}

/// What a new system says, however it was started.
const XEN: (Place, &str) = (Place::Xen, "(XEN) Xen version ");
const LINUX: (Place, &str) = (Place::Linux, FIRST_LINE);
const SYSTEMD: (Place, &str) = (Place::Systemd, "systemd[1]: systemd ");
const LOGIN: (Place, &str) = (Place::Login, "Debian GNU/Linux 13 dom0 hvc0");

const WAYS: [Way; 2] = [
    Way {
        command: "rkexec-xen --now",
        places: &[
            (Place::Command, RESTARTS),
            (Place::Loaded, "rkexec: Xen has the hand-over"),
            (Place::Down, "kexec_core: Starting new kernel"),
            (Place::Handover, "rkexec: entering 0x"),
            XEN,
            LINUX,
            SYSTEMD,
            LOGIN,
        ],
    },
    Way {
        command: "systemctl reboot",
        places: &[
            (Place::Command, RESTARTS),
            (Place::Down, "reboot: Restarting system"),
            (Place::Firmware, FIRMWARE),
            (Place::Grub, "GRUB loading"),
            XEN,
            LINUX,
            SYSTEMD,
            LOGIN,
        ],
    },
];

/// One restart: when it came by at the places of its way, as far as it has come.
#[derive(Debug)]
pub struct Restart {
    way: usize,
    passed: Vec<Instant>,
}

impl Restart {
    /// It begins, if the line says so.
    fn begin(line: &str, now: Instant) -> Result<Option<Self>> {
        let Some((_, command)) = line.split_once(RESTARTS) else {
            return Ok(None);
        };
        let way = WAYS.iter().position(|way| way.command == command.trim());
        let Some(way) = way else {
            bail!("it restarts by `{command}`");
        };
        let passed = vec![now];
        Ok(Some(Self { way, passed }))
    }

    /// A line on its way.
    fn line(&mut self, line: &str, now: Instant) -> Result<()> {
        let places = WAYS[self.way].places;
        let through_firmware = places.iter().any(|(place, _)| *place == Place::Firmware);
        ensure!(
            through_firmware || !line.contains(FIRMWARE),
            "it has come into the firmware"
        );
        let next = places.get(self.passed.len());
        if next.is_some_and(|(_, says)| line.contains(says)) {
            self.passed.push(now);
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.passed.len() == WAYS[self.way].places.len()
    }

    /// From one place to another, in seconds, if its way leads by there.
    pub fn took(&self, from: Place, to: Place) -> Option<f64> {
        let at = |place| {
            let mut places = WAYS[self.way].places.iter();
            let index = places.position(|(it, _)| *it == place)?;
            self.passed.get(index).copied()
        };
        let time = at(to)?.saturating_duration_since(at(from)?);
        Some(time.as_secs_f64())
    }
}

pub fn run(assets: &Assets, args: &RestartTimeArgs) -> Result<()> {
    let files = assets.prepare("restart-time", 1, [])?;
    for piece in [Piece::DebianTrixie, Piece::GrubPc] {
        files.need(piece).map_err(Error::msg)?;
    }
    let log = files.output.join("serial.log");
    let mut vm = Vm::start(&host_args(&files.dir)?, &log)?;
    let patience = PATIENCE * u32::try_from(files.time_factor)?;
    let path = files.output.join("table.md");
    let mut done = Vec::new();
    while done.len() < 2 * args.runs as usize {
        vm.expire_after(patience);
        let restart = follow(&mut vm, &log)?;
        let command = WAYS[restart.way].command;
        let took = |to| restart.took(Place::Command, to).unwrap_or_default();
        println!(
            "# {command}: dom0's first line after {:.1} s, the login prompt after {:.1} s",
            took(Place::Linux),
            took(Place::Login)
        );
        done.push(restart);
        // Whoever has no patience has what there is.
        fs::write(&path, table(&WAYS, &done))?;
    }
    drop(vm);
    print!("\n{}", fs::read_to_string(&path)?);
    files.remove()
}

/// The machine's next restart, from the command to the login prompt.
fn follow(vm: &mut Vm, log: &Path) -> Result<Restart> {
    let mut restart: Option<Restart> = None;
    while let Some(line) = vm.next_line()? {
        let now = Instant::now();
        match &mut restart {
            None => restart = Restart::begin(&line, now)?,
            Some(it) => it.line(&line, now)?,
        }
        if let Some(restart) = restart.take_if(|it| it.has_ended()) {
            return Ok(restart);
        }
    }
    bail!("the machine has ended; its log is {}", log.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that says this, a second after the other.
    fn restart(lines: &[&str]) -> Result<Option<Restart>> {
        let begin = Instant::now();
        let mut restart: Option<Restart> = None;
        for (line, seconds) in lines.iter().zip(0..) {
            let now = begin + Duration::from_secs(seconds);
            match &mut restart {
                None => restart = Restart::begin(line, now)?,
                Some(it) => it.line(line, now)?,
            }
        }
        Ok(restart)
    }

    const BY_FIRMWARE: [&str; 9] = [
        "[   61.0] vmtest: # restarts by systemctl reboot",
        "[   75.2] reboot: Restarting system",
        "SeaBIOS (version 1.16.3)",
        "GRUB loading...",
        "(XEN) Xen version 4.20.2",
        "(XEN) something else",
        "[    0.000000] Linux version 7.3.4",
        "[    9.1] systemd[1]: systemd 257 running in system mode",
        "Debian GNU/Linux 13 dom0 hvc0",
    ];

    #[test]
    fn a_restart_is_followed_from_place_to_place() {
        let it = restart(&BY_FIRMWARE).unwrap().unwrap();
        assert!(it.has_ended());
        assert_eq!(it.took(Place::Command, Place::Login), Some(8.0));
        assert_eq!(it.took(Place::Xen, Place::Linux), Some(2.0));
        assert_eq!(it.took(Place::Loaded, Place::Down), None);
        assert!(!restart(&BY_FIRMWARE[..7]).unwrap().unwrap().has_ended());
    }

    #[test]
    fn one_by_rkexec_never_comes_into_the_firmware() {
        let by_rkexec = "[   61.0] vmtest: # restarts by rkexec-xen --now";
        let error = restart(&[by_rkexec, BY_FIRMWARE[2]]).unwrap_err();
        assert!(error.to_string().contains("firmware"), "{error}");
        assert!(restart(&["vmtest: # restarts by magic"]).is_err());
        assert!(restart(&BY_FIRMWARE[2..]).unwrap().is_none());
    }
}
