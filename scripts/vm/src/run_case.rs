//! One test from power-on to its verdict.

use std::fmt;
use std::mem::offset_of;
use std::path::Path;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure, Context, Result};
use qemu::{places, Ram, Silence, Vm};
use regex::{Regex, RegexSet};
use rkexec::abi::handover::Header;

use crate::assets::Files;
use crate::cases::{Case, End, Target};
use crate::dump;
use crate::generation::Generations;
use crate::machine;
use crate::probe::Findings;
use crate::vmcore;
use crate::watch::{is_trouble, Event, Report};

/// How long a machine may take, in multiples of what it usually takes.
const PATIENCE: u64 = 5;
/// For how long it may say nothing, in seconds: the longest load takes a third of that.
const SILENCE: u64 = 120;
/// Likewise before the test begins, while firmware, Xen and the kernel start.
const SILENCE_AT_START: u64 = 60;
/// How long it goes on after trouble, for the rest of what it says.
const AFTER_TROUBLE: Duration = Duration::from_secs(3);

/// What a test has to say beside its verdict: the measurements of the first kernel.
pub type Notes = Vec<String>;

/// Somebody who listens in.
pub trait Observer {
    /// A line has come, with this meaning in the guest's report.
    fn line(&mut self, line: &str, event: Option<&Event>);
}

/// Nobody.
impl Observer for () {
    fn line(&mut self, _line: &str, _event: Option<&Event>) {}
}

/// What went wrong before anything that is tested had run (the module had not said a word, and no test
/// had a result), or is the emulator's fault by all signs.
#[derive(Debug)]
pub struct NeverStarted(String);

impl fmt::Display for NeverStarted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the machine went wrong: {}", self.0)
    }
}

impl std::error::Error for NeverStarted {}

/// The first kernel has found that it cannot run the test, for want of that.
#[derive(Debug)]
pub struct Skipped(pub String);

impl fmt::Display for Skipped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "it cannot be run without {}", self.0)
    }
}

impl std::error::Error for Skipped {}

/// What a test's name and its reason not to run are parted by.
const SKIP: &str = " # SKIP ";
/// The exit code of kselftest for nothing that was tested.
const NOTHING_TESTED: u8 = 4;

/// Runs `case` on one machine; the serial log goes to `log`, and each line to `observer`.
///
/// # Errors
///
/// It failed: why. [`NeverStarted`] if it was the machine; [`Skipped`] if the guest cannot run it.
pub fn run(
    case: &Case,
    files: &Files,
    log: &Path,
    time_factor: u64,
    observer: &mut dyn Observer,
) -> Result<Notes> {
    let mut course = Course::new(case, files)?;
    match course.follow(files, log, time_factor, observer) {
        Err(error) if !course.began => bail!(NeverStarted(format!("{error:#}"))),
        Err(error) => Err(error),
        Ok(Ending::Test) => {
            let mut notes = course.end()?;
            if let End::Dump(_) = case.end {
                let disk = files.disk(&machine::name(log));
                notes.extend(dump::examine(&disk, &files.release()?)?);
            }
            Ok(notes)
        }
        Ok(Ending::Machine) if !course.began || course.is_emulators_fault() => {
            let why = course.trouble.as_deref().unwrap_or("the machine ended");
            bail!(NeverStarted(why.to_owned()))
        }
        Ok(Ending::Machine) => course.machine_ended(),
    }
}

/// What is in all that the module says, and that the kernel says of it.
const MODULE: &str = "rkexec: ";

/// What has come to its end.
enum Ending {
    Test,
    Machine,
}

/// What the kernel is told of the test.
fn words(case: &Case, files: &Files) -> String {
    let mut words = case.scenario.split(' ');
    let scenario = words.next().unwrap_or_default();
    let mut text = format!("vmtest.scenario={scenario}");
    let mut module = files.has_module;
    for word in words {
        if word == "without=module" {
            module = false;
        } else {
            text.push_str(&format!(" vmtest.{word}"));
        }
    }
    if module {
        text.push_str(" vmtest.module=rkexec");
    }
    text
}

/// What the module has to say of its way to Xen (a regular expression), in a test of one.
fn interface(case: &Case, files: &Files) -> Option<String> {
    let abi = case.abi()?;
    let version = regex::escape(&files.xen(case.machine.xen()?)?.version.to_string());
    Some(format!(
        r"rkexec: kexec is forwarded to Xen {version} \(kexec interface {abi:?}\b"
    ))
}

/// How far a test has come.
struct Course<'a> {
    case: &'a Case,
    report: Report,
    expected_trouble: RegexSet,
    trouble: Option<String>,
    failed: Vec<String>,
    just_failed: bool,
    skipped: Option<String>,
    missing: Vec<Regex>,
    target: Option<Regex>,
    address: Option<u64>,
    caught: bool,
    probe: Findings,
    generations: Generations,
    notes: Notes,
    stage: u32,
    /// Whether anything that is tested may have run.
    began: bool,
}

/// A kernel that is interrupted in its first instructions after a system call, where interrupts are
/// off. That happens to a PVH dom0, for which the emulator plays a processor with virtualization.
const EMULATORS_FAULT: &str = "BUG: ENTRY_TRAMPOLINE stack guard page was hit";

impl<'a> Course<'a> {
    fn is_emulators_fault(&self) -> bool {
        let trouble = self.trouble.as_deref();
        self.failed.is_empty() && trouble.is_some_and(|line| line.contains(EMULATORS_FAULT))
    }

    fn new(case: &'a Case, files: &Files) -> Result<Self> {
        let target = match case.end {
            End::Reset(target) => Some(Regex::new(&format!(
                r"{} ma:0x([0-9a-f]+)",
                target.label()
            ))?),
            _ => None,
        };
        let interface = interface(case, files);
        let says = case.says.iter().copied().chain(interface.as_deref());
        let missing: Result<_, _> = says.map(Regex::new).collect();
        Ok(Self {
            case,
            report: Report::default(),
            expected_trouble: RegexSet::new(case.expects_trouble)?,
            trouble: None,
            failed: Vec::new(),
            just_failed: false,
            skipped: None,
            missing: missing?,
            target,
            address: None,
            caught: false,
            probe: Findings::default(),
            generations: Generations::default(),
            notes: Notes::new(),
            stage: 0,
            began: false,
        })
    }

    /// Starts the machine and follows what it says.
    fn follow(
        &mut self,
        files: &Files,
        log: &Path,
        time_factor: u64,
        observer: &mut dyn Observer,
    ) -> Result<Ending> {
        let case = self.case;
        let seconds = |seconds| Duration::from_secs(seconds * time_factor);
        let (mut vm, ram) = case.machine.start(files, &words(case, files), log, &[])?;
        vm.expire_after(seconds(case.seconds * PATIENCE));
        vm.expire_after_silence(seconds(SILENCE_AT_START));
        loop {
            let line = match vm.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(Ending::Machine),
                Err(error) if error.is::<Silence>() => {
                    let registers = vm.qmp.human("info registers -a");
                    let registers = registers.unwrap_or_else(|why| format!("{why:#}"));
                    vm.append_to_log(&registers)?;
                    return Err(self.out_of_time(error.context(places(&registers))));
                }
                Err(error) => return Err(self.out_of_time(error)),
            };
            let event = self.report.feed(&line)?;
            observer.line(&line, event.as_ref());
            if matches!(event, Some(Event::Begins(_))) {
                vm.expire_after_silence(seconds(SILENCE));
            }
            if self.take(&line, event, &mut vm, &ram)? {
                return Ok(Ending::Test);
            }
        }
    }

    /// Takes a line and its meaning. True when the test has come to its end.
    fn take(&mut self, line: &str, event: Option<Event>, vm: &mut Vm, ram: &Ram) -> Result<bool> {
        self.missing.retain(|pattern| !pattern.is_match(line));
        if let Some(address) = self.target.as_ref().and_then(|it| it.captures(line)) {
            self.address = Some(u64::from_str_radix(&address[1], 16)?);
        }
        match self.case.end {
            End::Reset(target) => self.caught |= line.contains(target.complaint()),
            End::Probe(_) => self.probe.line(line)?,
            End::FirstKernel
            | End::NextKernel
            | End::Kernels(_)
            | End::Dump(_)
            | End::Saved
            | End::Restart => {}
        }
        self.began |= line.contains(MODULE) || matches!(event, Some(Event::Test { .. }));
        let expected = self.expected_trouble.is_match(line);
        if self.trouble.is_none() && is_trouble(line) && !expected {
            self.trouble = Some(line.to_owned());
            vm.expire_after(AFTER_TROUBLE);
        }
        let failure = matches!(event, Some(Event::Test { ok: false, .. }));
        match event {
            Some(Event::Begins(stage)) => {
                let wanted = stage == 1 || self.case.end != End::Restart;
                ensure!(wanted, "the next kernel was entered");
                self.stage = stage;
            }
            Some(Event::Test { ok: false, name }) => {
                self.failed.push(format!("stage {}: {name}", self.stage));
            }
            Some(Event::Test { ok: true, name }) => {
                self.skipped = name.split_once(SKIP).map(|(_, why)| why.to_owned());
            }
            Some(Event::Note(note)) => {
                self.generations.note(&note)?;
                // The first remark behind a failure is its reason.
                if let Some(failed) = self.failed.last_mut().filter(|_| self.just_failed) {
                    failed.push_str(&format!(" ({note})"));
                }
                let for_probe = matches!(self.case.end, End::Probe(_)) && self.probe.note(&note)?;
                if (self.stage == 1 || vmcore::is_of_one(&note)) && !for_probe {
                    self.notes.push(note);
                }
            }
            Some(Event::Ends(1, NOTHING_TESTED)) if self.skipped.is_some() => {
                bail!(Skipped(self.skipped.take().unwrap_or_default()));
            }
            Some(Event::Ends(stage, code)) => {
                if code != 0 && self.failed.is_empty() {
                    self.failed.push(format!("stage {stage}: exit code {code}"));
                }
                let last = match self.case.end {
                    End::FirstKernel => 1,
                    End::Kernels(nr) => nr,
                    _ => 2,
                };
                return Ok(last == stage && self.trouble.is_none());
            }
            Some(Event::Waits) => {
                if let End::Reset(target) = self.case.end {
                    self.change(target, ram)?;
                }
                vm.type_in("go\n")?;
            }
            Some(Event::CameBack(error)) => bail!("the next kernel was not entered: {error}"),
            Some(Event::Enters) | None => {}
        }
        self.just_failed = failure;
        Ok(false)
    }

    /// Changes memory from outside.
    fn change(&mut self, target: Target, ram: &Ram) -> Result<()> {
        let address = self
            .address
            .with_context(|| format!("the log has no {}", target.label()))?;
        let address = address
            + match target {
                // Anywhere in the page.
                Target::Source => 0x123,
                // In the first entry, which is there for sure.
                Target::CopyList | Target::PageTable => 0x12,
                // In the first parameter, wherever the hand-over has them.
                Target::Params => {
                    let at = address + offset_of!(Header, params_offset) as u64;
                    u64::from(u32::from_le_bytes(ram.read(at)?)) + 2
                }
            };
        ram.flip_bit(address, 5)
            .with_context(|| format!("changing {target:?}"))?;
        self.notes.push(format!("changed one bit at {address:#x}"));
        Ok(())
    }

    /// The error to report when the machine has run out of time.
    fn out_of_time(&mut self, error: anyhow::Error) -> anyhow::Error {
        match self.trouble.take() {
            Some(line) => anyhow!("it says: {line}"),
            None => error,
        }
    }

    /// The verdict when the machine is gone.
    fn machine_ended(mut self) -> Result<Notes> {
        if let Some(line) = self.trouble.take() {
            bail!("it says: {line}");
        }
        self.all_passed()?;
        match self.case.end {
            End::Reset(_) if self.caught => self.end(),
            End::Restart | End::Saved => self.end(),
            End::Reset(_) => bail!("the machine ended, and the hand-over found nothing"),
            End::Probe(maker) => {
                let found = self.probe.judge(maker, &self.case.machine.boot)?;
                self.notes.extend(found);
                self.end()
            }
            _ => bail!("the machine ended in stage {}", self.stage),
        }
    }

    fn all_passed(&self) -> Result<()> {
        ensure!(self.failed.is_empty(), "{}", self.failed.join("; "));
        Ok(())
    }

    /// The verdict when everything else is well.
    fn end(self) -> Result<Notes> {
        self.all_passed()?;
        let missing: Vec<_> = self.missing.iter().map(Regex::as_str).collect();
        ensure!(missing.is_empty(), "it never said: {}", missing.join("; "));
        Ok(self.notes)
    }
}
