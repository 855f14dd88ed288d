//! What to start: files and their command lines, from GRUB's menu, by hand, or from the menu with parts by hand.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

use crate::machine::Firmware;

/// A hypervisor and what it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The title of GRUB's entry, if it is one.
    pub title: Option<String>,
    pub hypervisor: File,
    /// The kernel of dom0, its initrd if it has one, and then what else there is: microcode, a policy.
    pub modules: Vec<File>,
}

/// A file and the command line behind its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    pub path: PathBuf,
    pub words: String,
}

impl File {
    /// The command line as GRUB's forerunner gave it, with the file in front. Xen takes the first word off what
    /// comes from any loader but GRUB (`cmdline_cook()`, `xen/arch/x86/setup.c`).
    pub fn command_line(&self) -> String {
        // A name with a blank would be two words.
        let name = self
            .path
            .to_string_lossy()
            .replace(char::is_whitespace, "_");
        format!("{name} {}", self.words)
    }
}

/// What is given by hand. It takes the place of that part of the entry.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ByHand {
    /// The hypervisor (an ELF file, or one packed with gzip). With --kernel no entry of GRUB's is looked at, unless --entry names one
    #[arg(long, value_name = "FILE")]
    pub xen: Option<PathBuf>,
    /// The hypervisor's command line
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub xen_options: Option<String>,
    /// The kernel of dom0
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub command_line: Option<String>,
    /// Its initrd
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// A further module for the hypervisor, with its command line behind a blank: microcode, an XSM policy. May be given more
    /// than once; the entry's own are then left out
    #[arg(long, value_name = "FILE [WORDS]")]
    pub module: Vec<String>,
}

impl ByHand {
    /// Whether it is all there, so that no entry is needed.
    pub fn is_whole(&self) -> bool {
        self.xen.is_some() && self.kernel.is_some()
    }

    /// Puts what is given into `start`.
    ///
    /// # Errors
    ///
    /// There is no kernel then, or an initrd without one.
    pub fn apply(self, start: Start) -> Result<Start> {
        let Start {
            title,
            mut hypervisor,
            modules,
        } = start;
        put(&mut hypervisor, self.xen, self.xen_options);
        let mut modules = modules.into_iter();
        let mut kernel = modules.next().unwrap_or_default();
        put(&mut kernel, self.kernel, self.command_line);
        ensure!(
            !kernel.path.as_os_str().is_empty(),
            "there is no kernel for dom0 (--kernel)"
        );
        let mut initrd = modules.next();
        if let Some(path) = self.initrd {
            initrd.get_or_insert_default().path = path;
        }
        let mut further: Vec<_> = modules.collect();
        if !self.module.is_empty() {
            further = self.module.iter().map(|text| module(text)).collect();
        }
        let modules = [kernel].into_iter().chain(initrd).chain(further);
        Ok(Start {
            title,
            hypervisor,
            modules: modules.collect(),
        })
    }
}

fn put(file: &mut File, path: Option<PathBuf>, words: Option<String>) {
    if let Some(path) = path {
        file.path = path;
    }
    if let Some(words) = words {
        file.words = words;
    }
}

/// A file and its command line, with a blank between.
fn module(text: &str) -> File {
    let (path, words) = text.split_once(' ').unwrap_or((text, ""));
    File {
        path: path.into(),
        words: words.into(),
    }
}

impl Start {
    /// The same, with what a start without the firmware wants to have said.
    ///
    /// Xen is told to ask no BIOS (`no-real-mode`): the memory map comes from here, and what a BIOS does after an
    /// operating system has used the machine is anybody's guess. With UEFI there is none to ask. There the kernel of
    /// dom0 has to be told where ACPI's root pointer is; Xen finds a copy of it (see `low_memory.rs`).
    pub fn without_firmware(mut self, firmware: Firmware) -> Self {
        put_in_front(&mut self.hypervisor.words, "no-real-mode");
        if let (Firmware::Uefi { root_pointer }, Some(kernel)) =
            (firmware, self.modules.first_mut())
        {
            // Who says it himself comes later, and that counts.
            put_in_front(&mut kernel.words, &format!("acpi_rsdp={root_pointer:#x}"));
        }
        self
    }
}

/// Makes it the first word, if it is not there. Behind `--` it would be somebody else's: dom0's on Xen's command line
/// (`find_opt()`, `xen/arch/x86/boot/cmdline.c`), `init`'s on Linux's (`parse_args()`, `kernel/params.c`).
fn put_in_front(words: &mut String, word: &str) {
    let mut own = words
        .split_ascii_whitespace()
        .take_while(|&word| word != "--");
    if own.any(|other| other == word) {
        return;
    }
    let blank = if words.is_empty() { "" } else { " " };
    words.insert_str(0, &format!("{word}{blank}"));
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(title) = &self.title {
            writeln!(f, "entry         {title}")?;
        }
        let hypervisor = self.hypervisor.path.display();
        match version(&self.hypervisor.path) {
            Some(version) => writeln!(f, "hypervisor    {hypervisor} (Xen {version})")?,
            None => writeln!(f, "hypervisor    {hypervisor}")?,
        }
        writeln!(f, "options       {}", self.hypervisor.words)?;
        for (number, module) in self.modules.iter().enumerate() {
            let path = module.path.display();
            match number {
                0 => writeln!(f, "kernel        {path}\ncommand line  {}", module.words)?,
                1 => writeln!(f, "initrd        {path}")?,
                _ => writeln!(f, "module        {path} {}", module.words)?,
            }
        }
        Ok(())
    }
}

/// The version in the name of a hypervisor's file, as distributions have it: `xen-4.20-amd64.gz`. In the file it is not
/// where it could be found.
pub fn version(path: &Path) -> Option<String> {
    let path = path.canonicalize().unwrap_or(path.into());
    let name = path.file_name()?.to_str()?;
    let rest = name.strip_prefix("xen-")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
    let version = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
    (!version.is_empty()).then(|| version.into())
}

/// Reads a file, and says which one if it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, words: &str) -> File {
        File {
            path: path.into(),
            words: words.into(),
        }
    }

    fn entry() -> Start {
        Start {
            title: Some("Debian".into()),
            hypervisor: file("/boot/xen-4.20-amd64.gz", "placeholder dom0_mem=1G"),
            modules: vec![
                file("/boot/vmlinuz", "placeholder root=/dev/vda ro"),
                file("/boot/initrd.img", ""),
                file("/boot/ucode", ""),
            ],
        }
    }

    #[test]
    fn what_is_given_by_hand_takes_the_place_of_that_part() {
        let by_hand = ByHand {
            command_line: Some("root=/dev/vdb".into()),
            module: vec!["/policy a b".into()],
            ..ByHand::default()
        };
        let start = by_hand.apply(entry()).unwrap();
        assert_eq!(start.hypervisor, entry().hypervisor);
        let expected = [
            file("/boot/vmlinuz", "root=/dev/vdb"),
            file("/boot/initrd.img", ""),
            file("/policy", "a b"),
        ];
        assert_eq!(start.modules, expected);
    }

    #[test]
    fn all_of_it_can_be_given_by_hand_and_a_kernel_must_be() {
        let xen = ByHand {
            xen: Some("/xen".into()),
            ..ByHand::default()
        };
        assert!(!xen.is_whole());
        assert!(xen.clone().apply(Start::default()).is_err());
        let whole = ByHand {
            kernel: Some("/k".into()),
            ..xen
        };
        assert!(whole.is_whole());
        assert_eq!(
            whole.apply(Start::default()).unwrap().modules,
            [file("/k", "")]
        );
    }

    #[test]
    fn no_bios_is_asked_and_with_uefi_dom0_is_told_of_acpi() {
        let bios = entry().without_firmware(Firmware::Bios);
        assert_eq!(
            bios.hypervisor.words,
            "no-real-mode placeholder dom0_mem=1G"
        );
        assert_eq!(bios.modules, entry().modules);
        assert_eq!(bios.clone().without_firmware(Firmware::Bios), bios);

        let uefi = Firmware::Uefi {
            root_pointer: 0x7f00,
        };
        let first = entry().without_firmware(uefi);
        let words = "acpi_rsdp=0x7f00 placeholder root=/dev/vda ro";
        assert_eq!(first.modules[0].words, words);
        assert_eq!(first.clone().without_firmware(uefi), first);
    }

    #[test]
    fn what_is_said_is_in_front_of_what_is_passed_on() {
        let mut start = entry();
        start.hypervisor.words = "dom0_mem=1G -- quiet no-real-mode".into();
        start.modules[0].words = "ro -- single".into();
        let root_pointer = 0x7f00;
        let start = start.without_firmware(Firmware::Uefi { root_pointer });
        let words = "no-real-mode dom0_mem=1G -- quiet no-real-mode";
        assert_eq!(start.hypervisor.words, words);
        assert_eq!(start.modules[0].words, "acpi_rsdp=0x7f00 ro -- single");
    }

    #[test]
    fn the_version_is_in_the_name() {
        let version = |name| version(Path::new(name));
        assert_eq!(
            version("/nowhere/xen-4.20-amd64.gz").as_deref(),
            Some("4.20")
        );
        assert_eq!(version("/nowhere/xen-4.17.5.gz").as_deref(), Some("4.17.5"));
        assert_eq!(version("/nowhere/xen.gz"), None);
    }
}
