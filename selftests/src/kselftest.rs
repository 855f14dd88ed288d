//! Linux's own tests of kexec (tools/testing/selftests/kexec), unmodified, and what is known of
//! them.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{ensure, Context, Result};

use crate::vmcore::release;
use crate::without_xen;

const RUNNER: &str = "/kselftests/run_kselftest.sh";
/// Seconds that one test may take. The usual 45 are short for an emulated machine.
const PATIENCE: &str = "600";

/// What shells and programs say when something is not in the initramfs.
const BROKEN: [&str; 3] = ["not found", "No such file", "Could not initialize"];

/// The test in which kexec-tools loads in the way that it likes best.
pub const LOAD: &str = "kexec:test_kexec_load.sh";
/// The test in which it is told to use `kexec_file_load`.
pub const FILE_LOAD: &str = "kexec:test_kexec_file_load.sh";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// All lines, without spaces at their ends.
    pub lines: Vec<String>,
    pub code: Option<i32>,
}

impl Outcome {
    fn of(said: &str, code: Option<i32>) -> Self {
        let lines = said.lines().map(|line| line.trim_end().to_owned());
        Self {
            lines: lines.collect(),
            code,
        }
    }

    pub fn results(&self) -> Vec<&str> {
        let lines = self.lines.iter().map(String::as_str);
        lines
            .filter(|line| line.starts_with("ok ") || line.starts_with("not ok "))
            .collect()
    }

    pub fn expect_results(&self, expected: &[&str]) -> Result<()> {
        let results = self.results();
        ensure!(results == expected, "{results:?}, and not {expected:?}");
        Ok(())
    }

    pub fn expect_same(&self, other: &Self) -> Result<()> {
        let nothing = "(nothing)".to_owned();
        for at in 0..self.lines.len().max(other.lines.len()) {
            let [was, is] = [self, other].map(|it| it.lines.get(at).unwrap_or(&nothing));
            ensure!(was == is, "line {} was {was:?} and is {is:?}", at + 1);
        }
        let (was, is) = (self.code, other.code);
        ensure!(was == is, "the exit code was {was:?} and is {is:?}");
        Ok(())
    }
}

/// What is known of the results on kernels as they come from their distributions and from
/// upstream. Nothing here depends on the module.
///
/// A kernel without `CONFIG_KEXEC_JUMP` fails the first one: `test_kexec_jump` is a helper of
/// `test_kexec_jump.sh`, which would skip it, but it is listed as a test of its own.
pub fn known(can_jump: bool) -> [&'static str; 4] {
    let mut results = [
        "ok 1 selftests: kexec: test_kexec_jump",
        "ok 2 selftests: kexec: test_kexec_load.sh",
        "ok 3 selftests: kexec: test_kexec_file_load.sh",
        "ok 4 selftests: kexec: test_kexec_jump.sh",
    ];
    if !can_jump {
        results[0] = "not ok 1 selftests: kexec: test_kexec_jump # exit=1";
        results[3] = "ok 4 selftests: kexec: test_kexec_jump.sh # SKIP";
    }
    results
}

/// Whether the running kernel has `CONFIG_KEXEC_JUMP`: what the tests themselves go by.
pub fn kernel_can_jump() -> Result<bool> {
    let path = format!("/lib/modules/{}/config", release()?);
    let config = std::fs::read_to_string(&path).context(path)?;
    Ok(config.lines().any(|line| line == "CONFIG_KEXEC_JUMP=y"))
}

pub fn run(tests: &[&str]) -> Result<Outcome> {
    link_standard_streams()?;
    let mut command = without_xen::command(RUNNER);
    command.args(["-o", PATIENCE]);
    for test in tests {
        command.args(["-t", test]);
    }
    let output = command.output().context(RUNNER)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    // What the tests themselves say as an error is in their output.
    ensure!(
        said.starts_with("TAP version 13") && errors.is_empty(),
        "{RUNNER}: {}: {said}{errors}",
        output.status
    );
    let outcome = Outcome::of(&said, output.status.code());
    // The tests go on, and take it for an answer.
    for line in &outcome.lines {
        let broken = BROKEN.iter().any(|it| line.contains(it));
        ensure!(
            !broken,
            "a program that the tests need does not work: {line}"
        );
    }
    Ok(outcome)
}

/// The links that a running system has. The tests' runner writes to `/dev/stdout`, and without it
/// there is no message.
fn link_standard_streams() -> Result<()> {
    for (path, to) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "fd/0"),
        ("/dev/stdout", "fd/1"),
        ("/dev/stderr", "fd/2"),
    ] {
        if !Path::new(path).is_symlink() {
            symlink(to, path).context(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "TAP version 13\n1..2\n# selftests: kexec: a\n# ok is no result here\n\
                        ok 1 selftests: kexec: a \n# b\nnot ok 2 selftests: kexec: b # exit=1\n";

    #[test]
    fn the_results_are_found_among_remarks() {
        let outcome = Outcome::of(SAID, Some(1));
        let results = [
            "ok 1 selftests: kexec: a",
            "not ok 2 selftests: kexec: b # exit=1",
        ];
        outcome.expect_results(&results).unwrap();
        assert!(outcome.expect_results(&results[..1]).is_err());
    }

    #[test]
    fn any_difference_is_found() {
        let outcome = Outcome::of(SAID, Some(1));
        outcome.expect_same(&Outcome::of(SAID, Some(1))).unwrap();
        let error = |said: &str, code| {
            let other = Outcome::of(said, code);
            outcome.expect_same(&other).unwrap_err().to_string()
        };
        assert_eq!(
            error(&SAID.replace("# b", "# c"), Some(1)),
            r##"line 6 was "# b" and is "# c""##
        );
        assert_eq!(
            error(&format!("{SAID}more"), Some(1)),
            r##"line 8 was "(nothing)" and is "more""##
        );
        assert!(error(SAID, None).contains("exit code"));
    }
}
