//! Linux's own tests of kexec: what they say without the module they must say with it.
//!
//! They load and unload, and hardly look at what comes of it; one of them passes whatever happens.
//! So the commands that they give are given once more here, with a look at the result.

use std::fs::{self, File};
use std::os::fd::AsFd;

use nix::mount::{mount, umount, MsFlags};

use super::prelude::*;
use crate::kselftest::{self, Outcome, FILE_LOAD, LOAD};
use crate::without_xen::kexec_tools;

const GARBAGE: &str = "/tmp/garbage";
const GARBAGE_BYTES: usize = 2 << 20;

/// The ways in which kexec-tools is told to make a system call. The tests use the first two.
const WAYS: [(&str, &[&str]); 3] = [
    ("as it likes", &[]),
    ("by kexec_file_load", &["--kexec-file-syscall"]),
    ("by kexec_load", &["--kexec-syscall"]),
];

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    let known = kselftest::known(kselftest::kernel_can_jump()?);
    fs::write(GARBAGE, vec![0; GARBAGE_BYTES]).context(GARBAGE)?;

    let name = "without the module Linux's tests say what is known of them";
    let without = tell(stage, name, &known)?;
    if !stage.told.module || !stage.load_module() {
        return Ok(Next::PowerOff);
    }
    let name = "with the module they say what is known of them";
    let with = tell(stage, name, &known)?;
    let same = without.expect_same(&with);
    stage.report.result("and that line by line", &same);

    for (way, flags) in WAYS {
        let name = format!("kexec-tools loads and unloads {way}, and the kernel says so");
        stage.test(&name, |_| load_and_unload(flags));
    }
    stage.test("a kernel of nothing but zeros is refused", refuse);
    stage.test(
        "with such a kernel one of Linux's tests fails, and the other cannot",
        |_| fail(),
    );
    Ok(Next::PowerOff)
}

/// Runs all of the tests, and tells what they say.
fn tell(stage: &mut Stage<'_>, name: &str, known: &[&str]) -> Result<Outcome> {
    let outcome = kselftest::run(&[])?;
    // The test that comes back from its image leaves it loaded.
    kexec::unload().context("unloading what the tests have left")?;
    stage.report.result(name, &outcome.expect_results(known));
    for line in &outcome.lines {
        stage.report.note(line);
    }
    Ok(outcome)
}

fn load_and_unload(flags: &[&str]) -> Result<()> {
    kexec::expect_loaded(false).context("before")?;
    kexec_tools(&[&["--load"], flags, &[KERNEL]].concat())?;
    kexec::expect_loaded(true)?;
    kexec_tools(&[&["--unload"], flags].concat())?;
    kexec::expect_loaded(false).context("unloaded")
}

/// By kexec-tools, which does not even ask the kernel, and by the kernel.
fn refuse(report: &mut Report) -> Result<()> {
    for (way, flags) in WAYS {
        let Err(error) = kexec_tools(&[&["--load"], flags, &[GARBAGE]].concat()) else {
            bail!("kexec-tools loads it {way}");
        };
        report.note(&format!("{error:#}"));
        kexec::expect_loaded(false)?;
    }
    let garbage = File::open(GARBAGE).context(GARBAGE)?;
    let loaded = kexec::file_load(garbage.as_fd(), None, c"", 0);
    expect_errno(loaded, &[libc::ENOEXEC]).context("kexec_file_load")?;
    kexec::expect_loaded(false)
}

/// Runs the tests with zeros in the place of the kernel.
fn fail() -> Result<()> {
    let nothing = None::<&str>;
    mount(Some(GARBAGE), KERNEL, nothing, MsFlags::MS_BIND, nothing).context(KERNEL)?;
    let outcome = kselftest::run(&[LOAD, FILE_LOAD]);
    umount(KERNEL).context(KERNEL)?;
    outcome?.expect_results(&[
        "not ok 1 selftests: kexec: test_kexec_load.sh # exit=1",
        "ok 2 selftests: kexec: test_kexec_file_load.sh",
    ])?;
    kexec::expect_loaded(false)
}
