//! What the machines are made of: the files that the build provides.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use formats::bzimage::BzImage;

use crate::initramfs;
use crate::machine::OVMF;
use crate::pieces::Piece;
use crate::xen_build::{unpacks_zstd, XenBuild};
use crate::xen_files::XenFiles;

/// The inputs. Each has a place in one directory, and an option of its own.
#[derive(Args)]
pub struct Assets {
    /// The directory in which the inputs are looked for that are not given by themselves.
    #[arg(
        long,
        default_value = ".build/vm/assets",
        value_name = "DIR",
        global = true
    )]
    assets: PathBuf,
    /// Another Xen in the place of the usual one: the file that its build calls `xen` or `xen.gz`. If
    /// `xen.efi` is beside it, that is it for machines with UEFI.
    #[arg(long, value_name = "FILE", global = true)]
    xen: Option<PathBuf>,
    /// The stock kernel [default: ASSETS/vmlinuz].
    #[arg(long, value_name = "FILE", global = true)]
    vmlinuz: Option<PathBuf>,
    /// Its modules: the directory that has `kernel/` in it [default: ASSETS/modules].
    #[arg(long, value_name = "DIR", global = true)]
    modules: Option<PathBuf>,
    /// rkexec itself [default: ASSETS/rkexec.ko].
    #[arg(long, value_name = "FILE", global = true)]
    ko: Option<PathBuf>,
    /// Its configuration for modprobe [default: ASSETS/rkexec.conf].
    #[arg(long, value_name = "FILE", global = true)]
    modprobe_conf: Option<PathBuf>,
    /// The hook for kexec-tools in a dom0 [default: ASSETS/kexec-syscalls].
    #[arg(long, value_name = "FILE", global = true)]
    kexec_syscalls: Option<PathBuf>,
    /// The directory with the programs of `selftests/` [default: ASSETS/guest].
    #[arg(long, value_name = "DIR", global = true)]
    guest: Option<PathBuf>,
    /// The probe, a next kernel that tells what it finds [default: ASSETS/probe].
    #[arg(long, value_name = "FILE", global = true)]
    probe: Option<PathBuf>,
    /// Xen's own tools, for the test in a guest: the directory with `usr/` in it, as unpacked from
    /// the package xen-utils-4.20; that test is skipped without them [default: ASSETS/xen-utils].
    #[arg(long, value_name = "DIR", global = true)]
    xen_utils: Option<PathBuf>,
    /// GRUB for UEFI, as Debian has it in one file; what wants it is skipped without it
    /// [default: ASSETS/grub.efi].
    #[arg(long, value_name = "FILE", global = true)]
    grub: Option<PathBuf>,
    /// Linux's own tests of kexec, as `scripts/kselftests` installs them; what wants them is
    /// skipped without them [default: ASSETS/kselftests].
    #[arg(long, value_name = "DIR", global = true)]
    kselftests: Option<PathBuf>,
}

impl Assets {
    fn place(&self, given: Option<&PathBuf>, name: &str) -> PathBuf {
        given.cloned().unwrap_or_else(|| self.assets.join(name))
    }

    /// Whether the usual Xen is one that the user has brought.
    pub fn has_given_xen(&self) -> bool {
        self.xen.is_some()
    }

    /// The stock kernel.
    pub fn vmlinuz(&self) -> PathBuf {
        self.place(self.vmlinuz.as_ref(), "vmlinuz")
    }

    /// The directory of its modules.
    pub fn modules(&self) -> PathBuf {
        self.place(self.modules.as_ref(), "modules")
    }

    /// The module. It may be missing, for a machine without it.
    pub fn ko(&self) -> PathBuf {
        self.place(self.ko.as_ref(), "rkexec.ko")
    }

    /// The configuration for modprobe. It may be missing too.
    pub fn modprobe_conf(&self) -> PathBuf {
        self.place(self.modprobe_conf.as_ref(), "rkexec.conf")
    }

    /// The hook for kexec-tools in a dom0.
    pub fn kexec_syscalls(&self) -> PathBuf {
        self.place(self.kexec_syscalls.as_ref(), "kexec-syscalls")
    }

    /// One of the programs of `selftests/`.
    pub fn guest(&self, name: &str) -> PathBuf {
        self.place(self.guest.as_ref(), "guest").join(name)
    }

    /// The probe.
    pub fn probe(&self) -> PathBuf {
        self.place(self.probe.as_ref(), "probe")
    }

    /// Xen's own tools. They may be missing, then a test is skipped.
    pub fn xen_utils(&self) -> PathBuf {
        self.place(self.xen_utils.as_ref(), "xen-utils")
    }

    /// GRUB for UEFI. It may be missing, then what wants it is skipped.
    pub fn grub(&self) -> PathBuf {
        self.place(self.grub.as_ref(), "grub.efi")
    }

    /// Linux's own tests of kexec. They may be missing, then what wants them is skipped.
    pub fn kselftests(&self) -> PathBuf {
        self.place(self.kselftests.as_ref(), "kselftests")
    }

    /// Makes what QEMU is given, in `dir`, with these builds of Xen.
    ///
    /// # Errors
    ///
    /// An input is missing, or a file cannot be written.
    pub fn prepare(&self, dir: &Path, builds: &BTreeSet<XenBuild>) -> Result<Files> {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let mut files = Files {
            xen: BTreeMap::new(),
            vmlinuz: self.vmlinuz(),
            vmlinux: dir.join("vmlinux"),
            initramfs: dir.join("initramfs"),
            machines: dir.join("machines"),
            grub: self.grub(),
            with_selftests: None,
            has_module: self.ko().exists(),
            has_tools: self.xen_utils().exists(),
            has_dump_initrd: initramfs::has_dump_initrd(),
            missing: self.assets.join("missing"),
        };
        for build in builds {
            if let Some(xen) = self.prepare_xen(*build, dir)? {
                files.xen.insert(*build, xen);
            }
        }
        if files.xen.values().any(|xen| !unpacks_zstd(xen.version)) {
            let name = || files.vmlinuz.display().to_string();
            let image = fs::read(&files.vmlinuz).with_context(name)?;
            let kernel = BzImage::parse(&image).and_then(|image| image.unpack());
            let kernel = kernel.with_context(name)?;
            fs::write(&files.vmlinux, kernel)
                .with_context(|| files.vmlinux.display().to_string())?;
        }
        initramfs::build(self, &files.initramfs)?;
        Ok(files)
    }

    /// A build of Xen, if it is there. Without the usual one there would be little left to test.
    fn prepare_xen(&self, build: XenBuild, dir: &Path) -> Result<Option<XenFiles>> {
        let elf = dir.join(format!("xen-{build}"));
        if let (XenBuild::Main, Some(file)) = (build, &self.xen) {
            return XenFiles::given(file, elf).map(Some);
        }
        let place = self.assets.join("xen").join(build.name());
        if build != XenBuild::Main && !place.exists() {
            return Ok(None);
        }
        XenFiles::in_place(&place, elf).map(Some)
    }
}

/// What QEMU is given.
#[derive(Clone)]
pub struct Files {
    xen: BTreeMap<XenBuild, XenFiles>,
    /// The stock kernel.
    pub vmlinuz: PathBuf,
    /// The same unpacked, for a Xen that cannot do that: only if one of the builds is such.
    pub vmlinux: PathBuf,
    /// The initramfs of all machines.
    pub initramfs: PathBuf,
    /// Where machines may have files of their own, in a directory for each.
    pub machines: PathBuf,
    /// GRUB for UEFI, which may be missing.
    pub grub: PathBuf,
    /// The larger one that Linux's own tests are in as well.
    with_selftests: Option<PathBuf>,
    /// Whether rkexec is in it.
    pub has_module: bool,
    /// Whether Xen's own tools are in it.
    has_tools: bool,
    /// Whether it has what a crash kernel saves its dump with.
    has_dump_initrd: bool,
    /// Why pieces are missing: a directory with a file for each that is.
    missing: PathBuf,
}

impl Files {
    /// A build of Xen, if it is there.
    pub fn xen(&self, build: XenBuild) -> Option<&XenFiles> {
        self.xen.get(&build)
    }

    /// Whether something is there that may be missing.
    fn has(&self, piece: Piece) -> bool {
        match piece {
            Piece::Xen(build) => self.xen.contains_key(&build),
            Piece::XenEfi(build) => self.xen(build).is_some_and(|xen| xen.efi.is_some()),
            Piece::XenUtils => self.has_tools,
            Piece::Ovmf => Path::new(OVMF).exists(),
            Piece::Grub => self.grub.exists(),
            Piece::Makedumpfile => self.has_dump_initrd,
            Piece::Selftests => self.with_selftests.is_some(),
        }
    }

    /// Checks that a piece is there.
    ///
    /// # Errors
    ///
    /// It is missing: what, and why.
    pub fn need(&self, piece: Piece) -> Result<(), String> {
        match self.has(piece) {
            true => Ok(()),
            false => Err(piece.missing(&self.missing)),
        }
    }

    /// Makes the initramfs with Linux's own tests, too. Nothing if there are no such tests.
    ///
    /// # Errors
    ///
    /// An input is missing, or a file cannot be written.
    pub fn add_selftests(&mut self, assets: &Assets) -> Result<()> {
        if assets.kselftests().exists() {
            let target = self.initramfs.with_extension("selftests");
            initramfs::selftests::build(assets, &self.initramfs, &target)?;
            self.with_selftests = Some(target);
        }
        Ok(())
    }

    /// The disk of the machine `name`, if it has one.
    pub fn disk(&self, name: &str) -> PathBuf {
        self.machines.join(format!("{name}.disk"))
    }

    /// What the stock kernel says its release is.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no kernel.
    pub fn release(&self) -> Result<String> {
        let name = || self.vmlinuz.display().to_string();
        let kernel = fs::read(&self.vmlinuz).with_context(name)?;
        let image = BzImage::parse(&kernel);
        image.and_then(|image| image.version()).with_context(name)
    }

    /// The same files with another initramfs, which is somebody else's.
    #[must_use]
    pub fn with_initramfs(&self, initramfs: PathBuf) -> Self {
        Self {
            initramfs,
            ..self.clone()
        }
    }

    /// The same files with Linux's own tests, if there are any.
    pub fn with_selftests(&self) -> Option<Self> {
        let initramfs = self.with_selftests.clone()?;
        Some(Self {
            initramfs,
            ..self.clone()
        })
    }

    /// Removes what was made of the inputs.
    ///
    /// # Errors
    ///
    /// A file cannot be removed.
    pub fn remove(&self) -> Result<()> {
        let mut made: Vec<&Path> = self.xen.values().map(|xen| xen.elf.as_path()).collect();
        made.push(&self.initramfs);
        made.extend(self.with_selftests.as_deref());
        if self.vmlinux.exists() {
            made.push(&self.vmlinux);
        }
        for file in made {
            fs::remove_file(file).with_context(|| file.display().to_string())?;
        }
        if self.machines.exists() {
            fs::remove_dir_all(&self.machines)
                .with_context(|| self.machines.display().to_string())?;
        }
        Ok(())
    }

    /// What `init` has to know about them.
    pub fn params(&self) -> &'static str {
        if self.has_module {
            "vmtest.module=rkexec"
        } else {
            ""
        }
    }
}
