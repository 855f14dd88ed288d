//! What QEMU is given: the files that are made of what the build provides ([`crate::inputs`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};
use clap::Args;
use formats::bzimage::BzImage;
use fs_err::{self as fs, File};

use crate::initramfs;
use crate::inputs::{asset, Inputs};
use crate::linux_build::LinuxBuild;
use crate::pieces::{Piece, OVMF};
use crate::xen_build::{unpacks_zstd, XenBuild};
use crate::xen_files::XenFiles;

/// More than the memory of a test machine, and nothing on the real disk before it is written.
const DISK_BYTES: u64 = 2 << 30;

/// What a Debian system boots from.
fn debian_initrd(release: &str) -> PathBuf {
    asset(&format!("dom0/{release}/initrd"))
}

/// What it is made of.
#[derive(Args)]
pub struct Assets {
    #[command(flatten)]
    inputs: Inputs,
    /// Another Xen in the place of the usual one: the file that its build calls `xen` or `xen.gz`. If
    /// `xen.efi` is beside it, that is it for machines with UEFI.
    #[arg(long, value_name = "FILE", global = true)]
    xen: Option<PathBuf>,
    /// Where the serial logs go, and what was made of them [default: .build/vm/COMMAND].
    #[arg(long, value_name = "DIR", global = true)]
    output: Option<PathBuf>,
    /// Be this much more patient, on a slow machine [default: 1, soak 2, kdump 10].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), global = true)]
    timeout_factor: Option<u64>,
}

impl Assets {
    /// Whether the usual Xen is one that the user has brought.
    pub fn has_given_xen(&self) -> bool {
        self.xen.is_some()
    }

    /// Makes it for `command`, which is usually so patient, with these builds of Xen.
    pub fn prepare(
        &self,
        command: &str,
        patience: u64,
        builds: impl IntoIterator<Item = XenBuild>,
    ) -> Result<Files> {
        let output = self.output.clone();
        let output = output.unwrap_or_else(|| Path::new(".build/vm").join(command));
        let dir = output.join("files");
        fs::create_dir_all(&dir)?;
        let mut files = Files {
            linux: LinuxBuild::Main,
            inputs: self.inputs.clone(),
            xen: BTreeMap::new(),
            initramfs: dir.join("initramfs"),
            has_module: self.inputs.ko.exists(),
            dir,
            output,
            time_factor: self.timeout_factor.unwrap_or(patience),
        };
        for build in BTreeSet::from_iter(builds) {
            if let Some(xen) = self.prepare_xen(build, &files.dir)? {
                files.xen.insert(build, xen);
            }
        }
        files.make()?;
        Ok(files)
    }

    /// A build of Xen, if it is there. Without the usual one there would be little left to test.
    fn prepare_xen(&self, build: XenBuild, dir: &Path) -> Result<Option<XenFiles>> {
        let elf = dir.join(format!("xen-{build}"));
        if let (XenBuild::Main, Some(file)) = (build, &self.xen) {
            return XenFiles::given(file, elf).map(Some);
        }
        let place = asset(&format!("xen/{build}"));
        if build != XenBuild::Main && !place.exists() {
            return Ok(None);
        }
        XenFiles::in_place(&place, elf).map(Some)
    }
}

/// What QEMU is given.
#[derive(Clone)]
pub struct Files {
    /// The kernel that it is about.
    linux: LinuxBuild,
    /// What it was made of.
    pub inputs: Inputs,
    xen: BTreeMap<XenBuild, XenFiles>,
    /// The initramfs of all machines.
    pub initramfs: PathBuf,
    pub has_module: bool,
    /// Where all of it is, and where machines may have files of their own.
    pub dir: PathBuf,
    pub output: PathBuf,
    /// How patient to be with the machines.
    pub time_factor: u64,
}

impl Files {
    pub fn xen(&self, build: XenBuild) -> Option<&XenFiles> {
        self.xen.get(&build)
    }

    /// The stock kernel unpacked, for a Xen that cannot do that: only if one of the builds is such.
    pub fn vmlinux(&self) -> PathBuf {
        self.dir.join(format!("vmlinux-{}", self.linux))
    }

    /// Makes what there is of the kernel.
    fn make(&self) -> Result<()> {
        if self.xen.values().any(|xen| !unpacks_zstd(xen.version)) {
            let vmlinuz = &self.inputs.vmlinuz;
            let image = fs::read(vmlinuz)?;
            let kernel = BzImage::parse(&image).and_then(|image| image.unpack());
            let kernel = kernel.with_context(|| vmlinuz.display().to_string())?;
            fs::write(self.vmlinux(), kernel)?;
        }
        initramfs::build(&self.inputs, &self.initramfs)
    }

    /// The same for another kernel. [`Self::add_linux`] makes it.
    #[must_use]
    pub fn with_linux(&self, linux: LinuxBuild) -> Self {
        if linux == self.linux {
            return self.clone();
        }
        let inputs = Inputs::of(linux);
        Self {
            linux,
            initramfs: self.dir.join(format!("initramfs-{linux}")),
            has_module: inputs.ko.exists(),
            inputs,
            ..self.clone()
        }
    }

    /// Makes what there is of another kernel, too, if there is such a kernel.
    pub fn add_linux(&self, linux: LinuxBuild) -> Result<()> {
        match linux != self.linux && self.has(Piece::Linux(linux)) {
            true => self.with_linux(linux).make(),
            false => Ok(()),
        }
    }

    fn has(&self, piece: Piece) -> bool {
        match piece {
            Piece::Xen(build) => self.xen.contains_key(&build),
            Piece::XenEfi(build) => self.xen(build).is_some_and(|xen| xen.efi.is_some()),
            Piece::Linux(linux) => Inputs::of(linux).vmlinuz.exists(),
            Piece::XenUtils => asset("xen-utils").exists(),
            Piece::XenUtilsBookworm => asset("xen-utils-bookworm").exists(),
            Piece::Ovmf => Path::new(OVMF).exists(),
            Piece::Grub => asset("grub.efi").exists(),
            Piece::GrubPc => asset("grub-pc").exists(),
            Piece::Makedumpfile => initramfs::has_dump_initrd(),
            Piece::Selftests => asset("kselftests").exists(),
            Piece::DebianTrixie => debian_initrd("trixie").exists(),
            Piece::DebianSid => debian_initrd("sid").exists(),
        }
    }

    /// Checks that a piece is there; else says what is missing, and why.
    pub fn need(&self, piece: Piece) -> Result<(), String> {
        match self.has(piece) {
            true => Ok(()),
            false => Err(piece.missing(&asset("missing"))),
        }
    }

    /// Checks that there is anything to test.
    pub fn need_module(&self) -> Result<()> {
        let ko = self.inputs.ko.display();
        ensure!(self.has_module, "{ko} is missing: nothing can be tested");
        Ok(())
    }

    /// The same for a Debian system with rkexec's packages (`scripts/life-cycle`), which has a kernel of its own. An
    /// error is why there is none.
    pub fn with_installed(&self, name: &str) -> Result<Self, String> {
        let dir = asset(&format!("life-cycle/{name}"));
        let mut files = self.with_initramfs(dir.join("initrd"));
        files.inputs.vmlinuz = dir.join("vmlinuz");
        match files.initramfs.exists() {
            true => Ok(files),
            false => Err(match fs::read_to_string(dir.join("missing")) {
                Ok(reason) => reason.trim().to_owned(),
                Err(_) => format!("a system with the packages ({})", dir.display()),
            }),
        }
    }

    /// The same for a Debian system of this release (`scripts/dom0-disk`).
    #[must_use]
    pub fn with_debian(&self, release: &str) -> Self {
        self.with_initramfs(debian_initrd(release))
    }

    /// The same files with another initramfs, which is somebody else's.
    #[must_use]
    pub fn with_initramfs(&self, initramfs: PathBuf) -> Self {
        Self {
            initramfs,
            ..self.clone()
        }
    }

    /// The same files with Linux's own tests in the initramfs. [`Self::add_selftests`] makes it.
    #[must_use]
    pub fn with_selftests(&self) -> Self {
        self.with_initramfs(self.dir.join("initramfs-selftests"))
    }

    /// Makes the initramfs with Linux's own tests, too, if there are such tests.
    pub fn add_selftests(&self) -> Result<()> {
        if self.has(Piece::Selftests) {
            let target = self.with_selftests().initramfs;
            initramfs::selftests::build(&self.inputs, &self.initramfs, &target)?;
        }
        Ok(())
    }

    /// The disk of the machine `name`, if it has one.
    pub fn disk(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.disk"))
    }

    /// Makes it, with nothing on it.
    pub fn make_disk(&self, name: &str) -> Result<PathBuf> {
        let disk = self.disk(name);
        File::create(&disk)?.set_len(DISK_BYTES)?;
        Ok(disk)
    }

    pub fn remove(&self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.dir)?)
    }
}
