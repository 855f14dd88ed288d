//! `kexec-client`: the system calls of kexec from a shell, as they are.
//!
//! kexec-tools refuses to use them in a Xen dom0; this does what it is told, bad input included.
//! Exit code 0 when the call succeeded, 1 when it failed (with the kernel's error).

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use memmap2::Mmap;
use rkexec_protocol::choice::{Call, Destination};
use rkexec_selftests::files;
use rkexec_selftests::image::Image;
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
    FileLoad(Kernel),
    /// kexec_load(2) of a bzImage, entered at its 64-bit entry.
    Load {
        #[command(flatten)]
        kernel: Kernel,
        /// Where to put the image: lowest, high, xen-heap, dom0, dom0-kernel or xen.
        #[arg(long, default_value_t = Destination::Lowest)]
        to: Destination,
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
        /// By which system call: load or file.
        #[arg(long, default_value_t = Call::Load)]
        by: Call,
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

#[derive(Args)]
struct Kernel {
    kernel: PathBuf,
    initrd: PathBuf,
    cmdline: String,
}

/// A number as C writes it.
#[derive(Clone, Copy)]
struct Number(u64);

impl FromStr for Number {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.starts_with("0x") {
            true => files::hex(text).map(Self),
            false => Ok(Self(text.parse()?)),
        }
    }
}

#[derive(Clone, parse_display::FromStr)]
#[display("{file}@{at}+{bytes}")]
struct RawSegment {
    file: PathBuf,
    at: Number,
    bytes: Number,
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
        Command::FileLoad(kernel) => file_load(kernel)?,
        Command::Load { kernel, to } => load(&kernel, to)?,
        Command::Raw {
            entry,
            flags,
            segments,
        } => raw(entry.0, flags.0, &segments)?,
        Command::Unload { by: Call::Load } => kexec::unload().context("kexec_load")?,
        Command::Unload { by: Call::File } => kexec::file_unload().context("kexec_file_load")?,
        Command::Status => println!("{}", u8::from(kexec::loaded()?)),
        Command::Exec => return Err(kexec::exec()).context("reboot"),
        Command::XenMemoryMap => {
            for entry in Xen::open()?.machine_map()?.entries() {
                println!("{entry}");
            }
        }
        Command::XenFreePages => println!("{}", Xen::open()?.free_pages()?),
        Command::XenStatus => println!("{}", u8::from(Xen::open()?.kexec_status()?)),
        Command::XenRange => {
            let range = Xen::open()?.own_range()?;
            println!("{:#x} {:#x}", range.start, range.end - range.start);
        }
    }
    Ok(())
}

fn file_load(image: Kernel) -> Result<()> {
    let open = |path: &Path| File::open(path).with_context(|| path.display().to_string());
    let (kernel, initrd) = (open(&image.kernel)?, open(&image.initrd)?);
    let cmdline = CString::new(image.cmdline)?;
    let loaded = kexec::file_load(kernel.as_fd(), Some(initrd.as_fd()), &cmdline, 0);
    loaded.context("kexec_file_load")
}

fn load(image: &Kernel, to: Destination) -> Result<()> {
    let (kernel, initrd) = (mapped::map(&image.kernel)?, mapped::map(&image.initrd)?);
    let machine = xen::machine_map()?;
    let place = (to, &machine);
    let image = Image::new(&kernel, &initrd, &image.cmdline, &machine, place)?;
    println!("{:x?}", image.places);
    image.load()
}

fn raw(entry: u64, flags: u64, wanted: &[RawSegment]) -> Result<()> {
    let files = wanted.iter().map(|segment| mapped::map(&segment.file));
    let files: Vec<Mmap> = files.collect::<Result<_>>()?;
    let pairs = wanted.iter().zip(&files);
    let segments: Vec<_> = pairs
        .map(|(segment, file)| Segment::new(file, segment.at.0, segment.bytes.0))
        .collect();
    kexec::load(entry, &segments, flags).context("kexec_load")
}
