//! One test on one machine, from power-on to its verdict.

use std::path::Path;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure, Result};
use qemu::{places, Ram, Silence, Vm};
use regex::{Regex, RegexSet};
use rkexec_protocol::{Fact, Record, Verdict};
use thiserror::Error;

use crate::assets::Files;
use crate::case::{words, Case};
use crate::dump;
use crate::end::End;
use crate::ending::{Ending, Outside};
use crate::generation::Generations;
use crate::machine;
use crate::mistakes::{Line, Mistakes};
use crate::watch::{is_trouble, Report};

/// How long a machine may take, in multiples of what it usually takes.
const PATIENCE: u64 = 5;
/// For how long it may say nothing, in seconds: the longest load takes a third of that.
const SILENCE: u64 = 120;
/// Likewise before the test begins, while firmware, Xen and the kernel start.
const SILENCE_AT_START: u64 = 60;
/// How long it goes on after trouble, for the rest of what it says.
const AFTER_TROUBLE: Duration = Duration::from_secs(3);
/// What is in all that the module says, and that the kernel says of it.
const MODULE: &str = "rkexec: ";
/// A kernel that is interrupted in its first instructions after a system call, where interrupts are
/// off. That happens to a PVH dom0, for which the emulator plays a processor with virtualization.
const EMULATORS_FAULT: &str = "BUG: ENTRY_TRAMPOLINE stack guard page was hit";

/// What a test has to say beside its verdict: the measurements of the first kernel.
pub type Notes = Vec<String>;

/// Somebody who listens in, and is told each line, with its meaning in the guest's report.
pub type Observer<'a> = &'a mut dyn FnMut(&str, Option<&Record>);

/// What went wrong before anything that is tested had run (the module had not said a word, and no test
/// had a result), or is the emulator's fault by all signs.
#[derive(Debug, Error)]
#[error("the machine went wrong: {0}")]
pub struct NeverStarted(String);

/// The first kernel has found that it cannot run the test, for want of that.
#[derive(Debug, Error)]
#[error("it cannot be run without {0}")]
pub struct Skipped(pub String);

/// Runs `case` on one machine; the serial log goes to `log`, and each line to `observer`. An error is
/// that it failed, or [`NeverStarted`] if it was the machine; [`Skipped`] if the guest cannot run it.
pub fn run(case: &Case, files: &Files, log: &Path, observer: Observer<'_>) -> Result<Notes> {
    let mut course = Course::new(case, files)?;
    let ended = course.follow(files, log, observer);
    course.is_silent();
    match ended {
        Err(error) if !course.began => bail!(NeverStarted(format!("{error:#}"))),
        Err(error) => Err(error),
        Ok(Ended::Test) => {
            let mut notes = course.verdict()?;
            if let End::Dump(_) = case.end {
                let disk = files.disk(&machine::name(log));
                notes.push(dump::examine(&disk, &files.inputs.release()?)?);
            }
            Ok(notes)
        }
        Ok(Ended::Machine) if !course.began || course.is_emulators_fault() => {
            let why = course.trouble.as_deref().unwrap_or("the machine ended");
            bail!(NeverStarted(why.to_owned()))
        }
        Ok(Ended::Machine) => course.machine_ended(),
    }
}

/// What has come to its end.
enum Ended {
    Test,
    Machine,
}

/// How far a test has come.
struct Course<'a> {
    case: &'a Case,
    ending: Box<dyn Ending>,
    report: Report,
    expected_trouble: RegexSet,
    never: RegexSet,
    trouble: Option<String>,
    failed: Vec<String>,
    /// Whether the remark that comes now is the reason of the last failure.
    just_failed: bool,
    skipped: Option<String>,
    missing: Vec<Regex>,
    /// On a kernel that looks for mistakes.
    mistakes: Option<Mistakes>,
    generations: Generations,
    notes: Notes,
    stage: u32,
    /// Whether anything that is tested may have run.
    began: bool,
}

impl<'a> Course<'a> {
    fn new(case: &'a Case, files: &Files) -> Result<Self> {
        let interface = case.interface(files);
        let says = case.says.iter().copied().chain(interface.as_deref());
        let missing: Result<_, _> = says.map(Regex::new).collect();
        Ok(Self {
            case,
            ending: case.end.of(),
            report: Report::default(),
            expected_trouble: RegexSet::new(case.expects_trouble)?,
            never: RegexSet::new(case.never)?,
            trouble: None,
            failed: Vec::new(),
            just_failed: false,
            skipped: None,
            missing: missing?,
            mistakes: case.machine.linux.is_debug().then(Mistakes::default),
            generations: Generations::default(),
            notes: Notes::new(),
            stage: 0,
            began: false,
        })
    }

    fn follow(&mut self, files: &Files, log: &Path, observer: Observer<'_>) -> Result<Ended> {
        let case = self.case;
        let seconds = |seconds| Duration::from_secs(seconds * files.time_factor);
        let words = words(case.scenario, case.module && files.has_module);
        let (mut vm, ram) = case.machine.start(files, &words, log, &[])?;
        vm.expire_after(seconds(case.seconds * PATIENCE));
        vm.expire_after_silence(seconds(SILENCE_AT_START));
        loop {
            let line = match vm.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(Ended::Machine),
                Err(error) if error.is::<Silence>() => {
                    let registers = vm.qmp.human("info registers -a");
                    let registers = registers.unwrap_or_else(|why| format!("{why:#}"));
                    vm.append_to_log(&registers)?;
                    return Err(self.out_of_time(error.context(places(&registers))));
                }
                Err(error) => return Err(self.out_of_time(error)),
            };
            let record = self.report.feed(&line)?;
            observer(&line, record.as_ref());
            if matches!(record, Some(Record::Begins(_))) {
                vm.expire_after_silence(seconds(SILENCE));
            }
            self.line(&line, &mut vm, &ram)?;
            if let Some(record) = record {
                self.began |= matches!(
                    record,
                    Record::Passed(..) | Record::Failed(..) | Record::Skipped(..)
                );
                if self.record(record, &mut vm, &ram)? {
                    return Ok(Ended::Test);
                }
            }
        }
    }

    /// Takes a line, whatever it means in the report.
    fn line(&mut self, line: &str, vm: &mut Vm, ram: &Ram) -> Result<()> {
        self.missing.retain(|pattern| !pattern.is_match(line));
        self.ending.line(line, &mut Outside { vm, ram })?;
        self.began |= line.contains(MODULE);
        let reported = self.mistakes.as_mut().map(|it| it.take(line));
        let expected = self.expected_trouble.is_match(line);
        let is_trouble = match reported.unwrap_or(Line::Other) {
            Line::Other => is_trouble(line) && !expected,
            // Its lines are judged together.
            Line::Reported => false,
            Line::Mistake(lines) => {
                if self.mistake(&lines) {
                    vm.expire_after(AFTER_TROUBLE);
                }
                false
            }
        };
        if self.trouble.is_none() && (is_trouble || self.never.is_match(line)) {
            self.trouble = Some(line.to_owned());
            vm.expire_after(AFTER_TROUBLE);
        }
        Ok(())
    }

    /// Takes what a debug kernel has reported. True if that is the first trouble.
    fn mistake(&mut self, lines: &[String]) -> bool {
        let expected = lines.iter().all(|it| self.expected_trouble.is_match(it));
        let is_first = self.trouble.is_none() && !expected;
        if is_first {
            self.trouble = Some(lines.join("; "));
        }
        is_first
    }

    /// The machine says no more.
    fn is_silent(&mut self) {
        if let Some(Line::Mistake(lines)) = self.mistakes.as_mut().map(Mistakes::end) {
            self.mistake(&lines);
        }
    }

    /// Takes a record. True when the test has come to its end.
    fn record(&mut self, record: Record, vm: &mut Vm, ram: &Ram) -> Result<bool> {
        let just_failed = std::mem::take(&mut self.just_failed);
        match record {
            Record::Begins(stage) => {
                self.ending.begins(stage)?;
                self.stage = stage;
            }
            Record::Failed(_, name) => {
                self.failed.push(format!("stage {}: {name}", self.stage));
                self.just_failed = true;
            }
            Record::Passed(..) => self.skipped = None,
            Record::Skipped(_, _, why) => self.skipped = Some(why),
            Record::Remark(note) => {
                if let Some(failed) = self.failed.last_mut().filter(|_| just_failed) {
                    failed.push_str(&format!(" ({note})"));
                }
                self.remark(note)?;
            }
            Record::Ends(1, Verdict::Skip) if self.skipped.is_some() => {
                bail!(Skipped(self.skipped.take().unwrap_or_default()));
            }
            Record::Ends(stage, verdict) => {
                if verdict != Verdict::Pass && self.failed.is_empty() {
                    let failed = format!("stage {stage}: exit code {verdict}");
                    self.failed.push(failed);
                }
                return Ok(self.ending.last_stage() == stage && self.trouble.is_none());
            }
            Record::Waits => {
                self.notes.extend(self.ending.waits(ram)?);
                vm.type_in("go\n")?;
            }
            Record::CameBack(error) => bail!("the next kernel was not entered: {error}"),
            Record::Enters | Record::Version | Record::Plan(_) | Record::Totals { .. } => {}
        }
        Ok(false)
    }

    /// Takes a remark. Those of the first kernel are told, and what any kernel tells of a dump.
    fn remark(&mut self, note: String) -> Result<()> {
        let mut told = self.stage == 1;
        if let Some(fact) = Fact::find(&note)? {
            self.generations.take(&fact)?;
            told = (told || fact.is_of_dump()) && !self.ending.fact(&fact)?;
        }
        if told {
            self.notes.push(note);
        }
        Ok(())
    }

    fn is_emulators_fault(&self) -> bool {
        let trouble = self.trouble.as_deref();
        self.failed.is_empty() && trouble.is_some_and(|line| line.contains(EMULATORS_FAULT))
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
        self.no_trouble()?;
        self.all_passed()?;
        let notes = self.ending.machine_ended(self.stage)?;
        self.notes.extend(notes);
        self.verdict()
    }

    fn no_trouble(&mut self) -> Result<()> {
        match self.trouble.take() {
            Some(line) => bail!("it says: {line}"),
            None => Ok(()),
        }
    }

    fn all_passed(&self) -> Result<()> {
        ensure!(self.failed.is_empty(), "{}", self.failed.join("; "));
        Ok(())
    }

    /// The verdict when everything else is well.
    fn verdict(mut self) -> Result<Notes> {
        self.no_trouble()?;
        self.all_passed()?;
        let missing: Vec<_> = self.missing.iter().map(Regex::as_str).collect();
        ensure!(missing.is_empty(), "it never said: {}", missing.join("; "));
        Ok(self.notes)
    }
}
