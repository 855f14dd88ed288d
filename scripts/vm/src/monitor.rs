//! QEMU's monitor: what the processors of a machine do that says nothing any more, and what it has in
//! its memory.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};

use crate::socket::Socket;

/// How long an answer may take: for some it writes all the memory to a file first.
const PATIENCE: Duration = Duration::from_secs(60);
/// What it says when it is ready for a command.
const PROMPT: &str = "(qemu) ";

/// The monitor of a machine.
pub struct Monitor(Socket);

impl Monitor {
    /// One that no machine has yet.
    pub fn new() -> Self {
        Self(Socket::new("monitor"))
    }

    /// QEMU's arguments for it.
    pub fn qemu_args(&self) -> [String; 4] {
        self.0.qemu_args("-mon", "chardev=monitor,mode=readline")
    }

    /// Asks what all the processors do.
    ///
    /// # Errors
    ///
    /// QEMU does not answer.
    pub fn registers(&self) -> Result<String> {
        self.command("info registers -a")
    }

    /// Stops the machine, and writes all that it is to a file, but for what is on its disks. Another
    /// machine made from the same arguments and those of [`goes_on_from`] then goes on in its place.
    ///
    /// # Errors
    ///
    /// QEMU does not answer, or cannot write the file.
    pub fn save_state(&self, file: &Path) -> Result<()> {
        let said = self.command(&format!("migrate file:{}", file.display()))?;
        let told = self.command("info migrate")?;
        ensure!(told.contains("completed"), "migrate: {said}{told}");
        Ok(())
    }

    /// Waits until the machine runs that goes on from a state.
    ///
    /// # Errors
    ///
    /// QEMU does not answer, or takes too long.
    pub fn wait_until_it_runs(&self) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            // For a moment there is nobody yet who would answer.
            let status = self.command("info status");
            if status.is_ok_and(|it| it.contains("running")) {
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        bail!("the machine does not go on")
    }

    /// Writes the first `bytes` of the machine's memory to a file, while the machine stands still.
    ///
    /// # Errors
    ///
    /// QEMU does not answer, or does not write that much.
    pub fn save_memory(&self, file: &Path, bytes: u64) -> Result<()> {
        self.command("stop")?;
        let said = self.command(&format!("pmemsave 0 {bytes:#x} {}", file.display()))?;
        let written = std::fs::metadata(file).map_or(0, |it| it.len());
        ensure!(written == bytes, "{written} of {bytes} bytes: {said}");
        self.command("cont")?;
        Ok(())
    }

    /// Gives a command; what the monitor says to it.
    fn command(&self, command: &str) -> Result<String> {
        let mut stream = UnixStream::connect(self.0.path()).context("QEMU's monitor")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        writeln!(stream, "{command}")?;
        let mut said = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            if let Some(answer) = answer(&String::from_utf8_lossy(&said)) {
                return Ok(answer.to_owned());
            }
            let got = stream.read(&mut chunk);
            let got = got.with_context(|| format!("QEMU's monitor, {command}"))?;
            ensure!(got > 0, "QEMU's monitor ends, {command}");
            said.extend_from_slice(&chunk[..got]);
        }
    }
}

/// The answer in all that the monitor has said, if it is whole: between two prompts, and behind the
/// echo of the command.
fn answer(said: &str) -> Option<&str> {
    let (_, said) = said.split_once(PROMPT)?;
    let (said, _) = said.split_once(PROMPT)?;
    said.split_once('\n').map(|(_, answer)| answer)
}

/// QEMU's arguments for a machine that goes on from what [`Monitor::save_state`] has written.
pub fn goes_on_from(state: &Path) -> [String; 2] {
    ["-incoming".to_owned(), format!("file:{}", state.display())]
}

/// From the registers of all processors, of each where it is and whether it sleeps.
pub fn places(registers: &str) -> String {
    let words = registers.split_whitespace();
    let wanted = words.filter(|word| {
        ["RIP=", "EIP=", "HLT="]
            .iter()
            .any(|name| word.starts_with(name))
    });
    wanted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_is_between_the_prompts() {
        let whole = "QEMU 10\r\n(qemu) i\x1b[Kinfo\r\none\r\ntwo\r\n(qemu) ";
        assert_eq!(answer(whole), Some("one\r\ntwo\r\n"));
        assert_eq!(answer(&whole[..whole.len() - 1]), None);
    }

    #[test]
    fn the_places_of_all_processors_are_found() {
        let registers = "CPU#0\nRAX=1 RBX=2\nRIP=ffff RFL=00000246 CPL=0 II=0 SMM=0 HLT=1\n\
                         CPU#1\nRIP=1234 RFL=00000002 HLT=0\n";
        assert_eq!(places(registers), "RIP=ffff HLT=1 RIP=1234 HLT=0");
    }
}
