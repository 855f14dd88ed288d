//! The machine, as a host has it that nobody helps: its firmware starts GRUB, GRUB reads the configuration on the
//! host's disk (`scripts/dom0-host`), and a reset is no end.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use fs_err as fs;

use crate::cases::DEBIAN;
use crate::command;
use crate::inputs::asset;
use crate::machine::quoted;

/// GRUB's own modules: what finds the configuration, and what that one uses.
const MODULES: &[&str] = &[
    "biosdisk",
    "ext2",
    "search",
    "normal",
    "configfile",
    "multiboot2",
    "echo",
    "test",
    "gzio",
    "loadenv",
    "all_video",
];
const CONFIG: &str = "/boot/grub/grub.cfg";

/// QEMU's arguments for all of it. Files are made in `dir`.
pub fn host_args(dir: &Path) -> Result<Vec<String>> {
    let disk = grub_disk(dir)?;
    #[rustfmt::skip]
    let mut args = vec![
        // What the firmware says goes to the serial port, too, and so does what GRUB says.
        "-machine".to_owned(), "pc,graphics=off".to_owned(),
        // Others than -no-reboot.
        "-action".to_owned(), "reboot=reset".to_owned(),
        "-accel".to_owned(), "tcg,thread=single".to_owned(),
        "-cpu".to_owned(), DEBIAN.cpu.to_owned(),
        "-m".to_owned(), format!("{}M", DEBIAN.memory_mib),
        "-smp".to_owned(), DEBIAN.cpus.to_string(),
        // That of the network card waits for somebody who wants to boot by network.
        "-global".to_owned(), "virtio-net-pci.romfile=".to_owned(),
        "-smbios".to_owned(), "type=1,family=vmtest.scenario=restart-time".to_owned(),
        "-drive".to_owned(), format!("file={},format=raw,if=none,id=grub,snapshot=on", quoted(&disk)),
        "-device".to_owned(), "ide-hd,drive=grub,bootindex=0".to_owned(),
    ];
    args.extend(DEBIAN.qemu.iter().map(ToString::to_string));
    Ok(args)
}

/// A disk with nothing but GRUB on it: its first sector is what reads the others.
fn grub_disk(dir: &Path) -> Result<PathBuf> {
    const SECTORS: usize = 2048;
    let (early, core) = (dir.join("grub-early.cfg"), dir.join("grub-core"));
    fs::write(
        &early,
        format!("search --set=root --file {CONFIG}\nset prefix=($root)/boot/grub\nconfigfile {CONFIG}\n"),
    )?;
    let mut mkimage = Command::new("grub-mkimage");
    mkimage.args(["--format=i386-pc", "--prefix=/boot/grub", "--config"]);
    mkimage.arg(&early).arg("--output").arg(&core).args(MODULES);
    command::run(&mut mkimage)?;
    let mut image = fs::read(asset("grub-pc").join("boot.img"))?;
    image.extend(fs::read(core)?);
    image.resize(image.len().max(SECTORS * 512), 0);
    let disk = dir.join("grub.disk");
    fs::write(&disk, image)?;
    Ok(disk)
}
