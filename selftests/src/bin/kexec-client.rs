//! `kexec-client`: the system calls of kexec from a shell, as they are.
//!
//! kexec-tools refuses to use them in a Xen dom0; this does what it is told, bad input included.
//! Exit code 0 when the call succeeded, 1 when it failed (with the kernel's error).

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{bail, ensure, Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use formats::bzimage::BzImage;
use memmap2::Mmap;
use rkexec_protocol::choice::Destination;
use rkexec_selftests::image::{Image, Places, Sizes};
use rkexec_selftests::memory::Map;
use rkexec_selftests::places;
use rkexec_selftests::sys::kexec::{self, Segment};
use rkexec_selftests::sys::mapped;
use rkexec_selftests::xen::{self, Xen};

/// The kexec system calls, and what a dom0 can ask Xen about them.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// kexec_file_load(2).
    FileLoad {
        kernel: PathBuf,
        initrd: PathBuf,
        cmdline: String,
    },
    /// kexec_load(2) of a bzImage, entered at its 64-bit entry.
    Load {
        kernel: PathBuf,
        initrd: PathBuf,
        cmdline: String,
        /// Where to put the image: lowest, high, xen-heap, dom0, dom0-kernel or xen.
        #[arg(long, default_value_t = Destination::Lowest)]
        to: Destination,
        /// Where to put the kernel, instead.
        #[arg(long, value_name = "ADDRESS", requires_all = ["initrd_at", "start_at"])]
        kernel_at: Option<Number>,
        /// Where to put the initrd.
        #[arg(long, value_name = "ADDRESS")]
        initrd_at: Option<Number>,
        /// Where to put boot_params, command line and entry code (12 KiB).
        #[arg(long, value_name = "ADDRESS")]
        start_at: Option<Number>,
    },
    /// kexec_load(2) of any segments with any flags.
    Raw {
        /// Where to enter.
        #[arg(long, default_value = "0")]
        entry: Number,
        /// The flags, the architecture among them.
        #[arg(long, default_value = "0x3e0000")]
        flags: Number,
        /// FILE@ADDRESS+BYTES: the file there, zero-filled up to so many bytes.
        #[arg(value_name = "SEGMENT")]
        segments: Vec<RawSegment>,
    },
    /// Drop the loaded image.
    Unload {
        /// By which system call.
        #[arg(long, default_value = "load")]
        by: By,
    },
    /// Tell whether an image is loaded: 1 or 0.
    Status,
    /// reboot(2) into the loaded image.
    Exec,
    /// The machine's memory map, as Xen has it.
    XenMemoryMap,
    /// How many pages Xen has free.
    XenFreePages,
    /// What Xen says to KEXEC_CMD_kexec_status: 1 or 0.
    XenStatus,
    /// Where Xen is: start and size.
    XenRange,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Load,
    File,
}

/// A number as C writes it.
#[derive(Clone, Copy)]
struct Number(u64);

impl FromStr for Number {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number
            .map(Self)
            .with_context(|| format!("not a number: {text}"))
    }
}

/// `FILE@ADDRESS+BYTES`.
#[derive(Clone)]
struct RawSegment {
    file: PathBuf,
    at: u64,
    bytes: u64,
}

impl FromStr for RawSegment {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (file, place) = text.rsplit_once('@').context("no @ in it")?;
        let (at, bytes) = place.split_once('+').context("no + in it")?;
        Ok(Self {
            file: file.into(),
            at: at.parse::<Number>()?.0,
            bytes: bytes.parse::<Number>()?.0,
        })
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kexec-client: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::FileLoad {
            kernel,
            initrd,
            cmdline,
        } => {
            let open =
                |path: &PathBuf| File::open(path).with_context(|| path.display().to_string());
            let (kernel, initrd) = (open(&kernel)?, open(&initrd)?);
            kexec::file_load(
                kernel.as_fd(),
                Some(initrd.as_fd()),
                &CString::new(cmdline)?,
                0,
            )
            .context("kexec_file_load")
        }
        Command::Load {
            kernel,
            initrd,
            cmdline,
            to,
            kernel_at,
            initrd_at,
            start_at,
        } => {
            let (kernel, initrd) = (mapped::map(&kernel)?, mapped::map(&initrd)?);
            let places = match (kernel_at, initrd_at, start_at) {
                (Some(Number(kernel)), Some(Number(initrd)), Some(Number(start))) => Some(Places {
                    kernel,
                    initrd,
                    start,
                }),
                (None, None, None) => None,
                _ => bail!("give all three addresses, or none"),
            };
            load(&kernel, &initrd, &cmdline, to, places)
        }
        Command::Raw {
            entry,
            flags,
            segments,
        } => raw(entry.0, flags.0, &segments),
        Command::Unload { by: By::Load } => kexec::unload().context("kexec_load"),
        Command::Unload { by: By::File } => kexec::file_unload().context("kexec_file_load"),
        Command::Status => {
            println!("{}", u8::from(kexec::loaded()?));
            Ok(())
        }
        Command::Exec => Err(kexec::exec()).context("reboot"),
        Command::XenMemoryMap => {
            for entry in Xen::open()?.machine_map()?.entries() {
                println!("{entry}");
            }
            Ok(())
        }
        Command::XenFreePages => {
            println!("{}", Xen::open()?.free_pages()?);
            Ok(())
        }
        Command::XenStatus => {
            println!("{}", u8::from(Xen::open()?.kexec_status()?));
            Ok(())
        }
        Command::XenRange => {
            let range = Xen::open()?.own_range()?;
            println!("{:#x} {:#x}", range.start, range.bytes);
            Ok(())
        }
    }
}

fn load(
    kernel: &Mmap,
    initrd: &Mmap,
    cmdline: &str,
    to: Destination,
    places: Option<Places>,
) -> Result<()> {
    let machine = if xen::is_dom0() {
        Xen::open()?.machine_map()?
    } else {
        Map::of_firmware()?
    };
    let kernel = BzImage::parse(kernel)?;
    let places = match places {
        Some(places) => places,
        None => places::find(to, &machine, Sizes::of(kernel, initrd, &machine))?,
    };
    println!("{places:x?}");
    let image = Image::new(kernel, initrd, cmdline, &machine, places)?;
    kexec::load(image.entry(), &image.segments(), kexec::ARCH_X86_64).context("kexec_load")
}

fn raw(entry: u64, flags: u64, wanted: &[RawSegment]) -> Result<()> {
    let files: Vec<Mmap> = wanted
        .iter()
        .map(|segment| mapped::map(&segment.file))
        .collect::<Result<_>>()?;
    ensure!(files.len() == wanted.len(), "a file is missing");
    let segments: Vec<Segment<'_>> = wanted
        .iter()
        .zip(&files)
        .map(|(segment, file)| Segment::new(file, segment.at, segment.bytes))
        .collect();
    kexec::load(entry, &segments, flags).context("kexec_load")
}
