//! One machine on its way into the next kernel, and when it passed which place.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use rkexec_protocol::scenario::Timed;
use rkexec_protocol::{Fact, Record, Scenario};

use super::next_kernel::NextKernel;
use super::place::Place;
use super::How;
use crate::assets::Files;
use crate::case::words;
use crate::crash_time::{CRASH, FIRST_LINE};
use crate::gdb::{self, Gdb};
use crate::machine::{self, Machine, DOM0};

const PATIENCE: Duration = Duration::from_secs(240);
/// What the kernel says of what it loads (`KEXEC_FILE_DEBUG`), each with an address behind it.
const KERNEL: &str = "Loaded 64bit kernel at 0x";
const START: &str = "start:0x";
/// The hand-over's own times, if it tells them.
const OWN_TIMES: &str = "rkexec: times in us: ";

/// A machine without Xen, and without anything that differs from boot to boot.
const MACHINE: Machine = Machine {
    cpus: 1,
    ..DOM0.xen(None).kernel("nokaslr")
};

/// What came of it.
pub struct Journey {
    /// How long the system call took that loaded the image.
    pub load: Duration,
    /// Where it came by, and how long it had been running then since the first of these places.
    pub passed: Vec<(Place, Duration)>,
    /// What the hand-over says of itself: names and microseconds.
    pub own: Vec<(String, u64)>,
}

impl Journey {
    pub fn total(&self) -> Duration {
        let last = self.passed.last();
        last.map_or(Duration::ZERO, |(_, after)| *after)
    }

    /// How long it took from each place to the next one.
    pub fn phases(&self) -> Vec<((Place, Place), Duration)> {
        let pairs = self.passed.windows(2);
        let phases = pairs.filter_map(|pair| match *pair {
            [(from, begin), (to, end)] => Some(((from, to), end.saturating_sub(begin))),
            _ => None,
        });
        phases.collect()
    }
}

/// A time in which the machine stood still at an address.
struct Stop {
    at: u64,
    from: Instant,
    to: Instant,
}

/// What all journeys have in common.
pub struct Route<'a> {
    pub files: &'a Files,
    pub next: NextKernel,
    pub timed: Timed,
}

impl Route<'_> {
    /// Lets a machine go that far.
    pub fn travel(&self, module: bool, how: How, log: &Path) -> Result<Journey> {
        let Self { files, next, timed } = self;
        let machine = match timed.crash {
            true => MACHINE.kernel("nokaslr crashkernel=512M"),
            false => MACHINE,
        };
        let socket = files.dir.join(format!("{}.gdb", machine::name(log)));
        let more = match how {
            How::Divided => gdb::qemu_args(&socket).to_vec(),
            How::Whole => Vec::new(),
        };
        let words = words(Scenario::Timed(*timed), module);
        let (mut vm, _ram) = machine.start(files, &words, log, &more)?;
        vm.expire_after(PATIENCE * u32::try_from(files.time_factor)?);
        let mut heard = Heard::default();
        let (sender, stops) = mpsc::channel();
        while let Some(line) = vm.next_line()? {
            let now = Instant::now();
            match Record::find(&line)? {
                Some(Record::Failed(_, name)) => bail!("{name} has failed"),
                Some(Record::Waits) => {
                    if how == How::Divided {
                        let places = heard.places(next, timed.crash)?;
                        watch(&socket, &places, sender.clone())?;
                    }
                    vm.type_in("go\n")?;
                }
                Some(Record::Enters) if !timed.crash => heard.called = Some(now),
                Some(Record::Remark(text)) => heard.fact(&text)?,
                _ => heard.line(&line, now),
            }
            if let (Some(called), true) = (heard.called, line.contains(FIRST_LINE)) {
                return heard.journey(called, now, &stops);
            }
        }
        bail!("no next kernel has started")
    }
}

/// Has the machine stop at these places, each once, and tells when it did.
fn watch(socket: &Path, places: &HashMap<u64, Place>, stops: Sender<Stop>) -> Result<()> {
    let mut gdb = Gdb::connect(socket)?;
    for at in places.keys() {
        gdb.insert(*at)?;
    }
    gdb.go_on()?;
    thread::spawn(move || -> Result<()> {
        while let Some((from, at)) = gdb.stop()? {
            // It would stop there again at once.
            gdb.remove(at)?;
            gdb.go_on()?;
            let to = Instant::now();
            stops.send(Stop { at, from, to })?;
        }
        Ok(())
    });
    Ok(())
}

/// What a machine has said.
#[derive(Default)]
struct Heard {
    symbols: HashMap<String, u64>,
    kernel: Option<u64>,
    start: Option<u64>,
    load: Option<Duration>,
    own: Vec<(String, u64)>,
    /// When the call was near.
    called: Option<Instant>,
    places: HashMap<u64, Place>,
}

impl Heard {
    fn fact(&mut self, remark: &str) -> Result<()> {
        match Fact::find(remark)? {
            Some(Fact::Symbol { name, at }) => drop(self.symbols.insert(name, at.0)),
            Some(Fact::LoadTook(ms)) => self.load = Some(Duration::from_millis(ms)),
            _ => {}
        }
        Ok(())
    }

    fn line(&mut self, line: &str, now: Instant) {
        if line.contains(CRASH) {
            self.called = Some(now);
        }
        self.kernel = address(line, KERNEL).or(self.kernel);
        self.start = address(line, START).or(self.start);
        if let Some((_, times)) = line.split_once(OWN_TIMES) {
            self.own = times.split(',').filter_map(time).collect();
        }
    }

    /// Where its way leads through.
    fn places(&mut self, next: &NextKernel, crash: bool) -> Result<HashMap<u64, Place>> {
        let kernel = self.kernel.context("it does not say where the kernel is")?;
        let start = self
            .start
            .context("it does not say where the image starts")?;
        self.places = HashMap::from([
            (start, Place::Start),
            (kernel + next.entry, Place::Entry),
            (kernel + next.unpacked, Place::Unpacked),
        ]);
        for place in Place::functions(crash) {
            let at = self.symbols.get(&place.to_string());
            self.places.extend(at.map(|at| (*at, *place)));
        }
        Ok(self.places.clone())
    }

    /// All of it, after the first line at `now`. The time in which it stood still is nobody's.
    fn journey(&self, called: Instant, now: Instant, stops: &Receiver<Stop>) -> Result<Journey> {
        let mut passed = vec![(Place::Call, Duration::ZERO)];
        let mut still = Duration::ZERO;
        let stops: Vec<_> = stops.try_iter().collect();
        // The line that says that it is near may be read when the first place has been passed.
        let called = stops
            .iter()
            .map(|stop| stop.from)
            .fold(called, Instant::min);
        for stop in &stops {
            let place = self.places.get(&stop.at);
            let place = place.with_context(|| format!("it has stopped at {:#x}", stop.at))?;
            let after = stop.from.saturating_duration_since(called);
            passed.push((*place, after.saturating_sub(still)));
            still += stop.to.saturating_duration_since(stop.from);
        }
        let after = now.saturating_duration_since(called);
        passed.push((Place::FirstLine, after.saturating_sub(still)));
        Ok(Journey {
            load: self
                .load
                .context("it does not say how long the load took")?,
            passed,
            own: self.own.clone(),
        })
    }
}

/// The address behind `name` in a line.
fn address(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit());
    u64::from_str_radix(&rest[..end.unwrap_or(rest.len())], 16).ok()
}

/// A name, and a number behind it.
fn time(text: &str) -> Option<(String, u64)> {
    let (name, number) = text.trim().rsplit_once(' ')?;
    Some((name.to_owned(), number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_says_is_understood() {
        let mut heard = Heard::default();
        for line in [
            "[    9.1] kexec-bzImage64: Loaded 64bit kernel at 0x7b000000 bufsz=0xd6dc40 memsz=0x3e51000",
            "[    9.9] kexec_file: kexec_file_load: type:0, start:0x7fffd570 head:0x2 flags:0x8",
            "rkexec: times in us: tables 12, copied 3400, verified 99, total 3511",
        ] {
            heard.line(line, Instant::now());
        }
        assert_eq!(heard.kernel, Some(0x7b00_0000));
        assert_eq!(heard.start, Some(0x7fff_d570));
        assert_eq!(heard.own[1], ("copied".to_owned(), 3400));
        assert_eq!(heard.own.len(), 4);
        assert!(heard.called.is_none());
    }

    #[test]
    fn time_in_which_a_machine_stands_still_is_no_time() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let heard = Heard {
            load: Some(Duration::ZERO),
            places: HashMap::from([(1, Place::MachineKexec), (2, Place::Entry)]),
            ..Heard::default()
        };
        let (sender, stops) = mpsc::channel();
        for (address, from, to) in [(1, 100, 150), (2, 250, 400)] {
            let (from, to) = (at(from), at(to));
            let stop = Stop {
                at: address,
                from,
                to,
            };
            sender.send(stop).unwrap();
        }
        let journey = heard.journey(begin, at(700), &stops).unwrap();
        let phases = journey.phases().into_iter();
        let times: Vec<_> = phases.map(|(_, time)| time.as_millis()).collect();
        assert_eq!(times, [100, 100, 300]);
        assert_eq!(journey.total().as_millis(), 500);
    }
}
