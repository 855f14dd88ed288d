//! Programs of this system.

use std::process::Command;

use anyhow::{ensure, Context, Result};

/// Runs one, and gives what it says; if it fails, that is in the error.
pub fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}: {said}{}",
        output.status,
        complaint.trim()
    );
    Ok(output.stdout)
}
