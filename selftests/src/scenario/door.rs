//! kexec-tools in a dom0 as it is, which makes the hypercall of kexec by itself: it does not know that the
//! kernel answers. It boots the next kernel in the end.

use std::fs;
use std::process::Command;
use std::time::Instant;

use rkexec_protocol::scenario::Door;

use super::door_calls;
use super::prelude::*;
use super::witnesses::{Loaded, Witnesses};
use crate::door::{self, Answers};
use crate::program::{self, kexec_files, said};
use crate::{free_memory, past_kernel};

/// MiB of random bytes in the initrd.
const BLOB: u64 = 1;
/// What kexec-tools keeps from the next kernel: the interrupt vectors of real mode.
const FIRST: u64 = 1024;
/// What it passes on, though it is wrong then: this kernel was told that it is on Xen (`X86_SUBARCH_XEN`).
const XEN: u32 = 2;
/// Memory that may be missing behind many images: the kernel's caches grow. An image takes ten times as
/// much.
const LOST_MAX: i64 = 2 << 20;

/// What the kernel says of a load that has come through the door.
pub const SAYS: &str = " has called Xen to load an image: the kernel loads it";
/// With this the kernel names every device that it shuts down.
const NAMES_DEVICES: &str = "/sys/module/kernel/parameters/initcall_debug";

/// With this it takes no images any more. There is no way back.
const DISABLED: &str = "/proc/sys/kernel/kexec_load_disabled";

use Loaded::{Both, Crash, Default, Nothing};

/// What kexec-tools is told, how it exits, and what is loaded then. With the kernel's name it gets the
/// rest of what a load needs.
const STEPS: [(&[&str], i32, Loaded); 9] = [
    (&["-l", KERNEL], 0, Default),
    (&["-c", "-l", KERNEL], 0, Default),
    (&["-l", "-S"], 1, Default),
    (&["-s", "-l", KERNEL], 0, Default),
    (&["-u"], 0, Nothing),
    (&["-l", "-S"], 0, Nothing),
    (&["-u"], 0, Nothing),
    (&["-a", "-l", KERNEL], 0, Default),
    (&["-s", "-u"], 0, Nothing),
];
const CRASH_STEPS: [(&[&str], i32, Loaded); 7] = [
    (&["-p", "-S"], 0, Nothing),
    (&["-p", KERNEL], 0, Crash),
    (&["-p", "-S"], 1, Crash),
    (&["-l", KERNEL], 0, Both),
    (&["-p", "-u"], 0, Default),
    (&["-p", "-S"], 0, Default),
    (&["-u"], 0, Nothing),
];

pub fn run(stage: &mut Stage<'_>, Door { rounds }: Door) -> Result<Next> {
    stage.load_module();
    let mut plan = Plan::after(stage.told);
    plan.blob = BLOB;
    plan.told.first = FIRST;
    plan.told.subarch = XEN;
    let loader = Loader::new(plan)?;
    let witnesses = Witnesses::new()?;
    let open = stage.test("the kernel answers at the door", |_| {
        witnesses.expect_answers_of(Answers::Kernel)?;
        witnesses.expect(Nothing)
    });
    if !open {
        // Images that Xen keeps at places of kexec-tools' choice may bring it down.
        return Ok(Next::PowerOff);
    }
    let tools = Tools {
        files: kexec_files(INITRD, loader.cmdline()),
        witnesses: &witnesses,
    };
    tools.take(stage.report, &STEPS);
    match past_kernel::unable_for_crash(&witnesses.xen)? {
        None => tools.take(stage.report, &CRASH_STEPS),
        Some(why) => stage.report.skip("kexec -p", &why),
    }
    let name = format!("kexec -l twice, kexec -u, {rounds} times: Xen lives, and nothing is lost");
    stage.test(&name, |report| tools.again_and_again(report, rounds));
    door_calls::run(stage, &witnesses)?;
    stage.test("kexec -l loads the image to boot", |_| {
        tools.run(&["-l", KERNEL], 0)?;
        witnesses.expect(Default)?;
        module::expect_map("default")
    });
    stage.test("kexec_load_disabled is for the door, too", |_| {
        fs::write(DISABLED, "1").context(DISABLED)?;
        tools.run(&["-l", KERNEL], 255)?;
        expect_errno(witnesses.door.unload(door::DEFAULT), &[libc::EPERM])?;
        witnesses.expect(Default)
    });
    fs::write(NAMES_DEVICES, "1").context(NAMES_DEVICES)?;
    Ok(Next::Door)
}

/// Has kexec-tools enter the loaded kernel, through the door.
pub fn exec() -> Result<()> {
    program::run(Command::new("kexec").arg("-e")).map(drop)
}

struct Tools<'a> {
    files: [String; 2],
    witnesses: &'a Witnesses,
}

impl Tools<'_> {
    /// A test for each step.
    fn take(&self, report: &mut Report, steps: &[(&[&str], i32, Loaded)]) {
        for (arguments, exit, loaded) in steps {
            let name = format!("kexec {}: {loaded:?}", arguments.join(" "));
            report.test(&name, |_| {
                let mut log = KernelLog::from_now_on()?;
                self.run(arguments, *exit)?;
                if arguments.contains(&KERNEL) {
                    log.expect(SAYS)?;
                }
                self.witnesses.expect(*loaded)
            });
        }
    }

    fn run(&self, arguments: &[&str], exit: i32) -> Result<()> {
        let mut kexec = Command::new("kexec");
        kexec.args(arguments);
        if arguments.contains(&KERNEL) {
            kexec.args(&self.files);
        }
        let output = kexec.output().context("kexec")?;
        let (status, said) = (output.status, said(&output));
        ensure!(status.code() == Some(exit), "{kexec:?}: {status}: {said}");
        Ok(())
    }

    /// To the places that kexec-tools likes. Xen's own copies of such images would be its end.
    fn again_and_again(&self, report: &mut Report, rounds: u32) -> Result<()> {
        let round = || -> Result<()> {
            for arguments in [&["-l", KERNEL][..], &["-l", KERNEL], &["-u"]] {
                self.run(arguments, 0)?;
            }
            self.witnesses.expect(Nothing)
        };
        let (memory, started) = (free_memory::settled()?, Instant::now());
        for number in 1..=rounds {
            round().with_context(|| format!("round {number}"))?;
        }
        let took = started.elapsed().as_millis() / u128::from(rounds.max(1));
        let lost = memory - free_memory::settled()?;
        report.note(&format!("{took} ms a round; {} KiB less", lost / 1024));
        ensure!(lost <= LOST_MAX, "{lost} bytes are lost");
        Ok(())
    }
}
