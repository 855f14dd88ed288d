//! `vm dump-bytes`: whether the dump of a dom0 that rkexec leaves has all the memory that the one by
//! kexec-tools has, byte by byte.
//!
//! The same crash, and not two that are alike: one machine boots, its state is kept just before it
//! crashes, and other machines go on from there, each of them to a crash kernel of its own. What they
//! still do until they crash is not the same, not even in two machines that are told the same. So all
//! memory is kept once more at the crash, and each dump is compared with that, too: where two dumps
//! differ this tells a dump that is wrong from memory that was another.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use qemu::{Ram, Vm};
use rkexec_protocol::choice::By;
use rkexec_protocol::scenario::Dumped;
use rkexec_protocol::{Record, Scenario, Verdict};
use serde_json::json;

use crate::assets::{Assets, Files};
use crate::case::words;
use crate::cases::DUMPED;
use crate::core_file::{Comparison, Memory};
use crate::owners::Owners;
use crate::pieces::Piece;
use crate::watch::Report;
use crate::xen_build::XenBuild;

const PATIENCE: Duration = Duration::from_secs(300);
/// How long a machine is left alone before its state is kept, so that nothing is under way.
const REST: Duration = Duration::from_secs(2);
/// What Xen says before it enters a crash kernel. It still has some things to write down then, but not
/// in the low memory, which nobody has used yet that starts the crash kernel.
const ENTERS: &str = "Executing kexec image";
/// What the crash kernel says first. It has used no memory then but the low memory and its own.
const FIRST_LINE: &str = "] Linux version ";
/// The low memory: what is kept for a dump, because a crash kernel uses it.
const LOW: u64 = 640 << 10;

pub fn run(assets: &Assets) -> Result<()> {
    let files = assets.prepare("dump-bytes", 1, [XenBuild::Main])?;
    if let Err(missing) = files.need(Piece::Makedumpfile) {
        bail!("without {missing} there is no initrd for a dump");
    }
    let scene = Scene::set(&files)?;
    let ours = scene.crash("rkexec", By::Kernel)?;
    let theirs = scene.crash("kexec-tools", By::Xen)?;
    let again = scene.crash("rkexec-again", By::Kernel)?;
    tell_head();
    let different = compare("kexec-tools in rkexec", &theirs.dump, &ours.dump)?.differ;
    let baseline = compare("rkexec in rkexec again", &ours.dump, &again.dump)?.differ;
    let mut wrong = Vec::new();
    for crash in [&theirs, &ours, &again] {
        let title = format!("{} in the memory that was", crash.name);
        wrong.extend(compare(&title, &crash.dump, &crash.memory)?.differ);
    }
    let tell = |what: &str, pages: &[_]| println!("# {what}: {}", scene.owners.tell(pages));
    tell("differ, kexec-tools and rkexec", &different);
    tell("differ, rkexec and rkexec again", &baseline);
    tell("not as the memory was, in any dump", &wrong);
    tell("overwritten by rkexec's crash kernel", &ours.overwritten);
    let mut unexplained = Vec::new();
    for page in different {
        if !(theirs.is_right(page)? && ours.is_right(page)?) {
            unexplained.push(page);
        }
    }
    tell(
        "differ, kexec-tools and rkexec, and not because the memory did",
        &unexplained,
    );
    files.remove()
}

/// A machine that is about to crash.
struct Scene<'a> {
    files: &'a Files,
    state: PathBuf,
    /// What it has reported.
    report: Report,
    owners: Owners,
}

impl<'a> Scene<'a> {
    /// Boots it, and keeps its state.
    fn set(files: &'a Files) -> Result<Self> {
        let mut scene = Self {
            files,
            state: files.dir.join("state"),
            report: Report::default(),
            owners: Owners::default(),
        };
        let (mut vm, _ram) = scene.start("scene", &[])?;
        loop {
            match next_record(&mut vm, &mut scene.report)? {
                (_, Some(Record::Remark(note))) => scene.owners.take(&note)?,
                (_, Some(Record::Waits)) => break,
                _ => {}
            }
        }
        sleep(REST);
        // It stands still from now on: another one is started that goes on in its place.
        vm.qmp.execute("migrate", json!({"uri": scene.uri()}))?;
        vm.qmp.wait_for("query-migrate", "completed")?;
        Ok(scene)
    }

    /// The state, as QEMU calls such a file.
    fn uri(&self) -> String {
        format!("file:{}", self.state.display())
    }

    /// Starts a machine; its log is called like it.
    fn start(&self, name: &str, more: &[String]) -> Result<(Vm, Ram)> {
        let scenario = Scenario::Dump(Dumped::NEW.by(By::Line).blob(1));
        let words = words(scenario, self.files.has_module);
        let log = self.files.output.join(format!("{name}.log"));
        let (mut vm, ram) = DUMPED.start(self.files, &words, &log, more)?;
        vm.expire_after(PATIENCE);
        Ok((vm, ram))
    }

    /// Goes on from there to the end of the crash kernel.
    fn crash(&self, name: &'static str, by: By) -> Result<Crash> {
        let (mut vm, ram) = self.start(name, &["-incoming".to_owned(), self.uri()])?;
        vm.qmp.wait_for("query-status", "running")?;
        vm.type_in(&format!("{by}\n"))?;
        let mut report = self.report.clone();
        let (mut low, mut memory, mut later) = (None, None, None);
        loop {
            let (line, record) = next_record(&mut vm, &mut report).context(name)?;
            let mut keep = |what: &str, bytes| {
                let file = self.files.dir.join(format!("{name}.{what}"));
                save(&mut vm, &ram, &file, bytes).map(Some)
            };
            match record {
                _ if line.contains(ENTERS) => low = keep("low", LOW)?,
                _ if line.contains(FIRST_LINE) => memory = keep("memory", DUMPED.memory_mib << 20)?,
                Some(Record::Begins(2)) => later = keep("later", LOW)?,
                Some(Record::Ends(2, Verdict::Pass)) => break,
                _ => {}
            }
        }
        let (Some(low), Some(memory), Some(later)) = (low, memory, later) else {
            bail!("the memory of {name} was not kept");
        };
        // What the crash kernel has overwritten before it said its first line is as it was, too.
        let low = Memory::of_machine(low)?;
        let before = low.read(0, LOW)?.context("the low memory")?;
        memory.write_all_at(&before, 0)?;
        Ok(Crash {
            name,
            dump: Memory::of_core(&self.files.disk(name))?,
            memory: Memory::of_machine(memory)?,
            overwritten: low.compare(&Memory::of_machine(later)?)?.differ,
        })
    }
}

/// Writes the first `bytes` of the memory to a file, while the machine stands still.
fn save(vm: &mut Vm, ram: &Ram, file: &Path, bytes: u64) -> Result<File> {
    vm.qmp.execute("stop", json!({}))?;
    let file = ram.save(file, bytes)?;
    vm.qmp.execute("cont", json!({}))?;
    Ok(file)
}

fn next_record(vm: &mut Vm, report: &mut Report) -> Result<(String, Option<Record>)> {
    let line = vm.next_line()?.context("the machine has ended")?;
    match report.feed(&line)? {
        Some(Record::Failed(_, name)) => bail!("not ok: {name}"),
        Some(Record::CameBack(error)) => bail!("it does not crash: {error}"),
        record => Ok((line, record)),
    }
}

/// A crash, and what is left of it.
struct Crash {
    name: &'static str,
    dump: Memory,
    /// All memory as it was.
    memory: Memory,
    /// Pages of the low memory that are others when the crash kernel runs.
    overwritten: Vec<(u64, u64)>,
}

impl Crash {
    /// Whether a page is in the dump as it was.
    fn is_right(&self, page: (u64, u64)) -> Result<bool> {
        self.dump.agrees(&self.memory, page)
    }
}

fn tell_head() {
    println!(
        "# {:36} {:>9} {:>9} {:>7} {:>7} {:>7} {:>8} {:>9} {:>7}",
        "what is looked for, and where",
        "bytes",
        "there",
        "pages",
        "equal",
        "differ",
        "in bytes",
        "low pages",
        "differ"
    );
}

/// A line of it: looks for everything in `one` in `other`.
fn compare(title: &str, one: &Memory, other: &Memory) -> Result<Comparison> {
    let found = one.compare(other)?;
    let is_low = |pages: &[(u64, u64)]| pages.iter().filter(|(at, _)| *at < LOW).count();
    let low = one.pages().filter(|(at, _)| *at < LOW).count();
    println!(
        "# {title:36} {:>9} {:>9} {:>7} {:>7} {:>7} {:>8} {low:>9} {:>7}",
        found.bytes,
        found.bytes - found.missing,
        found.equal + found.differ.len(),
        found.equal,
        found.differ.len(),
        found.other_bytes,
        is_low(&found.differ),
    );
    Ok(found)
}
