//! `vm reboot-time`: how long it takes on the bare machine from `reboot(2)`, or from a crash, to the next
//! kernel's first line, by the kernel alone and with rkexec, by turns; and where the time goes.
//!
//! Each machine goes twice: once as it is, which says how long all takes, and once with breakpoints on its
//! way, which say how it is divided.

mod journey;
mod next_kernel;
mod place;
mod plot;
mod table;

use anyhow::{Context, Result};
use clap::Args;
use rkexec_protocol::scenario::Timed;
use strum::Display;

use self::journey::{Journey, Route};
use self::next_kernel::NextKernel;
use crate::assets::Assets;

/// How often, and what.
#[derive(Args)]
pub struct RebootTimeArgs {
    /// Ways into the next kernel that are measured, of each kind.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// The machine crashes, and goes into a crash kernel.
    #[arg(long)]
    crash: bool,
    /// Random bytes in the next kernel's initrd, in MiB.
    #[arg(long, default_value_t = 98, value_name = "MIB")]
    blob: u64,
}

/// What the one with the module is called.
const OURS: &str = "rkexec";

/// Whether a machine stops on its way, so that it can be divided.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq)]
#[strum(serialize_all = "lowercase")]
enum How {
    Whole,
    Divided,
}

/// What was measured of one of the two.
#[derive(Default)]
struct Kind {
    name: &'static str,
    whole: Vec<Journey>,
    divided: Vec<Journey>,
}

pub fn run(assets: &Assets, args: &RebootTimeArgs) -> Result<()> {
    let command = if args.crash {
        "reboot-time-crash"
    } else {
        "reboot-time"
    };
    let files = assets.prepare(command, 1, [])?;
    files.need_module()?;
    let vmlinuz = &files.inputs.vmlinuz;
    let route = Route {
        files: &files,
        next: NextKernel::read(vmlinuz).with_context(|| vmlinuz.display().to_string())?,
        timed: Timed::NEW.crash(args.crash).blob(args.blob),
    };
    let mut kinds = ["stock", OURS].map(|name| Kind {
        name,
        ..Kind::default()
    });
    for run in 1..=args.runs {
        for how in [How::Whole, How::Divided] {
            for kind in &mut kinds {
                let log = files.output.join(format!("{}-{how}-{run}.log", kind.name));
                let journey = route.travel(kind.name == OURS, how, &log);
                let journey = journey.with_context(|| log.display().to_string())?;
                let (total, load) = (journey.total().as_secs_f64(), journey.load.as_secs_f64());
                println!(
                    "# run {run}, {}, {how}: {total:.2} s, after a load of {load:.2} s",
                    kind.name
                );
                match how {
                    How::Whole => kind.whole.push(journey),
                    How::Divided => kind.divided.push(journey),
                }
            }
        }
    }
    let what = match args.crash {
        true => "From a crash to the crash kernel's first line",
        false => "From reboot(2) to the next kernel's first line",
    };
    let text = table::table(what, &kinds);
    print!("{text}");
    let (table, picture) = (
        files.output.join(format!("{command}.txt")),
        files.output.join(format!("{command}.svg")),
    );
    fs_err::write(table, text)?;
    plot::draw(what, &kinds, &picture)?;
    println!("The same as a plot: {}", picture.display());
    files.remove()
}
