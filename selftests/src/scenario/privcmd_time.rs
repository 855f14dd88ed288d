//! How long hypercalls take that are none of kexec's, with the door and without it, in one boot and by
//! turns. A measure, not a test: the runner has no opinion about it.
//!
//! Of each turn the fastest sample counts: what makes another one slower is somebody else's work.

use std::time::Instant;

use super::guest;
use super::prelude::*;
use super::prepare_time::median;
use crate::door::{Answers, Door};

const TURNS: usize = 10;
/// Calls in a sample, and samples in a turn.
const CALLS: (u32, usize) = (2000, 15);
/// The same of a program that makes some hypercalls, among much else.
const PROGRAMS: (u32, usize) = (1, 5);

/// Something that goes through the door.
struct What<'a> {
    name: &'a str,
    times: (u32, usize),
    once: &'a dyn Fn() -> Result<()>,
    /// Microseconds, of each turn.
    with: Vec<f64>,
    without: Vec<f64>,
}

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    let tools = guest::has_tools();
    if tools {
        stage.test("Xen's tools are started", |_| guest::start_tools());
    }
    let door = Door::open()?;
    let hypercall = || door.xen_version().map(drop).context("xen_version");
    // All that this takes is the way in and out.
    let nothing = || expect_errno(door.unknown_request(), &[libc::ENOTTY]);
    let info = || guest::tool("xl", &["info"]);
    let mut all = vec![
        What::new("XENVER_version", CALLS, &hypercall),
        What::new("a request that the driver does not know", CALLS, &nothing),
    ];
    if tools {
        all.push(What::new("xl info", PROGRAMS, &info));
    }
    stage.test("the times of what goes through privcmd", |report| {
        measure(&door, &mut all)?;
        all.iter().for_each(|what| what.tell(report));
        Ok(())
    });
    Ok(Next::PowerOff)
}

fn measure(door: &Door, all: &mut [What<'_>]) -> Result<()> {
    let expect = |wanted| -> Result<()> {
        let who = door.answers()?;
        ensure!(who == wanted, "{who:?} answers, and not {wanted:?}");
        Ok(())
    };
    for _ in 0..TURNS {
        module::load()?;
        expect(Answers::Kernel)?;
        for what in &mut *all {
            let fastest = what.fastest()?;
            what.with.push(fastest);
        }
        module::unload()?;
        expect(Answers::Xen)?;
        for what in &mut *all {
            let fastest = what.fastest()?;
            what.without.push(fastest);
        }
    }
    Ok(())
}

impl<'a> What<'a> {
    fn new(name: &'a str, times: (u32, usize), once: &'a dyn Fn() -> Result<()>) -> Self {
        Self {
            name,
            times,
            once,
            with: Vec::new(),
            without: Vec::new(),
        }
    }

    /// Microseconds that it takes once, in the fastest of some samples.
    fn fastest(&self) -> Result<f64> {
        let (times, samples) = self.times;
        let mut fastest = f64::INFINITY;
        for _ in 0..samples {
            let started = Instant::now();
            for _ in 0..times {
                (self.once)()?;
            }
            let took = started.elapsed().as_secs_f64() * 1e6 / f64::from(times);
            fastest = fastest.min(took);
        }
        Ok(fastest)
    }

    fn tell(&self, report: &mut Report) {
        let pairs = self.with.iter().zip(&self.without);
        let ratios: Vec<_> = pairs.map(|(with, without)| with / without).collect();
        let (with, without) = (median(self.with.clone()), median(self.without.clone()));
        report.note(&format!(
            "{}, medians of {TURNS} turns: with the door {with:.2} us, without {without:.2} us, ratio {:.3}; \
             of each turn: {:.3}",
            self.name,
            with / without,
            median(ratios)
        ));
    }
}
