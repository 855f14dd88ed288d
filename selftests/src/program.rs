//! Programs that the test machine has.

use std::process::{Command, Output};

use anyhow::{ensure, Context, Result};

/// Runs one that must succeed; what it says on its standard output.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let status = output.status;
    ensure!(status.success(), "{command:?}: {status}: {}", said(&output));
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// What one has to complain of.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// The options of kexec-tools for this initrd and this command line.
pub fn kexec_files(initrd: &str, cmdline: &str) -> [String; 2] {
    [
        format!("--initrd={initrd}"),
        format!("--command-line={cmdline}"),
    ]
}
