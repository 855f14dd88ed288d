//! A running machine: started, watched, and killed in every case.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::fcntl::{fcntl, FcntlArg, FdFlag};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use thiserror::Error;

use crate::console;
use crate::qmp::Qmp;

const QEMU: &str = "qemu-system-x86_64";
/// What all machines have: nothing but a serial port, and no second life.
#[rustfmt::skip]
const ARGS: [&str; 9] = [
    "-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot",
];

/// A machine has said nothing for so long.
#[derive(Debug, Error)]
#[error("it has said nothing for {} s", .0.as_secs())]
pub struct Silence(Duration);

/// A machine that runs, and is killed when this value goes.
pub struct Vm {
    child: Child,
    /// What the machine is asked by.
    pub qmp: Qmp,
    log: File,
    stdin: ChildStdin,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
    started: Instant,
    deadline: Option<Instant>,
    silence: Option<Duration>,
}

impl Vm {
    /// Starts QEMU with these arguments beside those of all machines; everything from its serial port
    /// goes to the file `log` as well.
    pub fn start<A: AsRef<OsStr>>(args: &[A], log: &Path) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let log = File::create(log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(QEMU);
        command
            .args(ARGS)
            .arg("-chardev")
            .arg(format!("socket,id=qmp,fd={}", theirs.as_raw_fd()))
            .args(["-mon", "chardev=qmp,mode=control"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?);
        let begin = move || {
            // However this program ends.
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty()))?;
            Ok(())
        };
        // SAFETY: prctl(2) and fcntl(2) are system calls and allocate nothing, so they may run after
        // fork(2).
        unsafe {
            command.pre_exec(begin);
        }
        let child = command.spawn();
        let mut child = child.with_context(|| format!("cannot start {QEMU}"))?;
        let stdin = child.stdin.take().context("QEMU has no standard input")?;
        let stdout = child.stdout.take().context("QEMU has no standard output")?;
        let (sender, lines) = mpsc::channel();
        let copy = log.try_clone()?;
        let reader = thread::spawn(move || read_lines(BufReader::new(stdout), copy, &sender));
        Ok(Self {
            child,
            qmp: Qmp::new(ours)?,
            log,
            stdin,
            lines,
            reader: Some(reader),
            started: Instant::now(),
            deadline: None,
            silence: None,
        })
    }

    /// From now on the machine has this long.
    pub fn expire_after(&mut self, time: Duration) {
        self.deadline = Some(Instant::now() + time);
    }

    /// From now on it may never say nothing for this long.
    pub fn expire_after_silence(&mut self, time: Duration) {
        self.silence = Some(time);
    }

    /// The next line from the serial port, or `None` when the machine has ended. It is an error if its time
    /// is over: [`Silence`] if it has said nothing for too long.
    pub fn next_line(&mut self) -> Result<Option<String>> {
        let left = match self.deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            None => Duration::MAX,
        };
        let silence = self.silence.unwrap_or(Duration::MAX);
        match self.lines.recv_timeout(left.min(silence)) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) if silence < left => bail!(Silence(silence)),
            Err(RecvTimeoutError::Timeout) => {
                bail!(
                    "it has not ended after {} s",
                    self.started.elapsed().as_secs()
                )
            }
        }
    }

    /// QEMU's exit code, when the machine has ended.
    pub fn exit_code(&mut self) -> Result<i32> {
        let status = self.child.wait()?;
        status.code().with_context(|| format!("QEMU: {status}"))
    }

    /// Adds what somebody else says of the machine to its log.
    pub fn append_to_log(&mut self, text: &str) -> Result<()> {
        writeln!(self.log, "\n{text}").context("the log")
    }

    /// Types `text` on the serial port.
    pub fn type_in(&mut self, text: &str) -> Result<()> {
        self.stdin.write_all(text.as_bytes())?;
        Ok(self.stdin.flush()?)
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The log is whole from then on.
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

/// Copies all that comes, and sends it line by line as a person sees it.
fn read_lines(mut from: impl BufRead, mut copy: impl Write, to: &Sender<String>) {
    let mut line = Vec::new();
    while let Ok(1..) = from.read_until(b'\n', &mut line) {
        let _ = copy.write_all(&line);
        let _ = to.send(console::clean(&line));
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn lines_are_whole_however_the_bytes_arrive() {
        let pieces = b"one".chain(&b" line\r\n\ntw"[..]).chain(&b"o"[..]);
        let (mut copy, (sender, lines)) = (Vec::new(), mpsc::channel());
        read_lines(pieces, &mut copy, &sender);
        drop(sender);
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["one line", "", "two"]);
        assert_eq!(copy, b"one line\r\n\ntwo");
    }
}
