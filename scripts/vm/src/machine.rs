//! A test machine, and the command line of QEMU that makes it.

use std::path::Path;

use anyhow::{ensure, Context, Result};
use qemu::{Chipset, Ram, Vm};
use rkexec_protocol::Told;
use strum::Display;

use crate::assets::Files;
use crate::esp::{Esp, Grub};
use crate::linux_build::LinuxBuild;
use crate::pieces::OVMF;
use crate::xen_build::{unpacks_zstd, XenBuild};

/// What a machine does at power-on.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Firmware {
    /// SeaBIOS, on a PC with the i440FX chipset if nothing else is said.
    Bios,
    /// OVMF, on one with the Q35 chipset.
    Uefi,
}

impl Firmware {
    fn chipset(self) -> Chipset {
        match self {
            Self::Bios => Chipset::I440fx,
            Self::Uefi => Chipset::Q35,
        }
    }
}

/// What a machine is called by the name of its log.
pub fn name(log: &Path) -> String {
    let name = log.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A path in a list of QEMU's, whose members commas part.
pub fn quoted(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its memory, in MiB.
    pub memory_mib: u64,
    /// Its processors.
    pub cpus: u32,
    /// Whether they run at the same time, each in a thread of the emulator's; else by turns in one.
    /// By turns is not slower here, where the host has two processors and runs two machines, and
    /// spares the tests what goes wrong in the emulator between its threads.
    pub parallel: bool,
    /// QEMU's name for their kind.
    pub cpu: &'static str,
    /// The Xen under the kernel, or none, and its `dom0_mem` option (empty: all the memory there is) and
    /// other options.
    pub xen: Option<XenBuild>,
    pub dom0_mem: &'static str,
    pub xen_options: &'static str,
    /// The first kernel ([`Files::with_linux`]).
    pub linux: LinuxBuild,
    pub firmware: Firmware,
    /// What GRUB does before Xen starts: only for a dom0 with UEFI.
    pub grub: Option<Grub>,
    /// More words for the first kernel.
    pub kernel: &'static str,
    /// Whether it has an empty disk ([`Files::disk`]).
    pub disk: bool,
    pub qemu: &'static [&'static str],
}

/// The machine that all others are made from: a dom0 with half of 2 GiB.
pub const DOM0: Machine = Machine {
    memory_mib: 2048,
    cpus: 2,
    parallel: false,
    cpu: "max",
    xen: Some(XenBuild::Main),
    dom0_mem: "1G,max:1G",
    xen_options: "",
    linux: LinuxBuild::Main,
    firmware: Firmware::Bios,
    grub: None,
    kernel: "",
    disk: false,
    qemu: &[],
};

/// Declares functions that change one thing of a machine each, for the tables of tests.
macro_rules! changes {
    ($($name:ident: $type:ty),+) => {
        impl Machine {$(
            #[must_use]
            pub const fn $name(self, $name: $type) -> Self {
                Self { $name, ..self }
            }
        )+}
    };
}

changes! {
    memory_mib: u64, parallel: bool, cpu: &'static str, xen: Option<XenBuild>, dom0_mem: &'static str,
    xen_options: &'static str, firmware: Firmware, kernel: &'static str, disk: bool
}

/// No comparing of the processors' clocks, for a kernel on the bare machine. Linux 7.3 does it with a
/// lock held, and gives up by a clock that stands still early in the boot; a processor that waits for
/// the lock with interrupts off then never answers. That is read from the source. What was seen: 2 of
/// 80 boots of a small kernel fell silent at that moment, and none of 60 with these words.
const NO_WATCHDOG: &str = "tsc=nowatchdog";

/// What every Xen is told.
const XEN_OPTIONS: &str = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all";

/// The firmware keeps this much at the end of the low memory.
const FIRMWARE_KIB: u64 = 128;

impl Machine {
    /// What the kernel is told of the machine: its processors, and where that can be known its
    /// memory.
    fn words(&self) -> String {
        let told = Told {
            cpus: self.cpus,
            ram: (self.firmware == Firmware::Bios).then(|| self.ram()),
            ..Told::default()
        };
        let mut words = told.to_string();
        if !self.kernel.is_empty() {
            words.push_str(&format!(" {}", self.kernel));
        }
        words
    }

    /// The machine's usable memory as SeaBIOS tells it, in the notation of [`Told::ram`].
    pub fn ram(&self) -> String {
        let low_mib = self.firmware.chipset().low_mib(self.memory_mib);
        let low_end = (low_mib << 20) - (FIRMWARE_KIB << 10);
        let mut ram = format!("0-9fbff,100000-{:x}", low_end - 1);
        if self.memory_mib > low_mib {
            let start = 4_u64 << 30;
            let end = start + ((self.memory_mib - low_mib) << 20);
            ram.push_str(&format!(",{start:x}-{:x}", end - 1));
        }
        ram
    }

    /// Starts it, with `words` for the kernel and `more` arguments for QEMU. Its log is the file `log`;
    /// what it needs beside `files` is made there by the same name: no two machines that run may have the
    /// same.
    pub fn start(
        &self,
        files: &Files,
        words: &str,
        log: &Path,
        more: &[String],
    ) -> Result<(Vm, Ram)> {
        let ram = Ram::new(self.memory_mib, self.firmware.chipset())?;
        let mut args = self.qemu_args(files, words, &name(log))?;
        args.extend(ram.qemu_args());
        args.extend_from_slice(more);
        Ok((Vm::start(&args, log)?, ram))
    }

    /// QEMU's arguments for all but its memory.
    fn qemu_args(&self, files: &Files, words: &str, name: &str) -> Result<Vec<String>> {
        let Self {
            memory_mib, cpus, ..
        } = self;
        let thread = if self.parallel { "multi" } else { "single" };
        // Its disk is the first one.
        let mut args: Vec<_> = self.qemu.iter().map(ToString::to_string).collect();
        let mut add = |name: &str, value: String| args.extend([name.to_owned(), value]);
        add("-accel", format!("tcg,thread={thread}"));
        add("-cpu", self.cpu.to_string());
        add("-m", format!("{memory_mib}M"));
        add("-smp", cpus.to_string());
        if self.firmware == Firmware::Uefi {
            add("-machine", "q35".to_owned());
            add("-bios", OVMF.to_owned());
        }
        ensure!(
            self.grub.is_none() || (self.xen.is_some() && self.firmware == Firmware::Uefi),
            "GRUB starts no other machine than a dom0 with UEFI"
        );
        // `panic=-1`: reboot at once, which is QEMU's end. The report is not to be rate-limited.
        let words = format!("panic=-1 printk.devkmsg=on {words} {}", self.words());
        match self.xen {
            None => {
                add("-kernel", files.inputs.vmlinuz.display().to_string());
                add("-initrd", files.initramfs.display().to_string());
                let words = format!("console=ttyS0,115200 {NO_WATCHDOG} {words}");
                add("-append", words);
            }
            Some(build) => {
                let xen = files.xen(build);
                let xen = xen.with_context(|| format!("there is no Xen of {build}"))?;
                let kernel = match unpacks_zstd(xen.version) {
                    true => files.inputs.vmlinuz.clone(),
                    false => files.vmlinux(),
                };
                let limit = match self.dom0_mem {
                    "" => String::new(),
                    limit => format!("dom0_mem={limit}"),
                };
                let options = format!("{XEN_OPTIONS} {limit} {}", self.xen_options);
                let told = Told {
                    xen: Some(xen.version.to_string()),
                    ..Told::default()
                };
                let words = format!("console=hvc0 {told} {words}");
                if self.firmware == Firmware::Bios {
                    // A list of modules: the kernel with its command line, and the initramfs.
                    let words = words.replace(',', ",,");
                    let (kernel, initramfs) = (quoted(&kernel), quoted(&files.initramfs));
                    ensure!(!kernel.contains(' '), "QEMU cannot take the name {kernel}");
                    add("-kernel", xen.elf.display().to_string());
                    add("-append", options);
                    add("-initrd", format!("{kernel} {words},{initramfs}"));
                } else {
                    let esp = Esp {
                        grub: self.grub,
                        release: &files.inputs.release()?,
                        xen: xen.efi.as_deref().context("there is no xen.efi")?,
                        options: &options,
                        kernel: &kernel,
                        words: &words,
                        initramfs: &files.initramfs,
                    };
                    let dir = files.dir.join(name);
                    esp.write(&dir)?;
                    // Virtio is what an emulator is quickest with.
                    let drive = format!("driver=vvfat,dir={},if=virtio,readonly=on", quoted(&dir));
                    add("-drive", drive);
                }
            }
        }
        if self.disk {
            let disk = quoted(&files.make_disk(name)?);
            add("-drive", format!("file={disk},format=raw,if=virtio"));
        }
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_machine_is_what_its_firmware_will_say() {
        let machine = |memory_mib| Machine { memory_mib, ..DOM0 };
        assert_eq!(machine(2048).ram(), "0-9fbff,100000-7ffdffff");
        assert_eq!(
            machine(6144).ram(),
            "0-9fbff,100000-bffdffff,100000000-1bfffffff"
        );
    }
}
