//! A running machine: started, watched, and killed in every case.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::fcntl::{fcntl, FcntlArg, FdFlag};
use nix::sys::prctl;
use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;

use crate::console;
use crate::qmp::Qmp;

const QEMU: &str = "qemu-system-x86_64";
/// What all machines have: nothing but a serial port, and no second life.
#[rustfmt::skip]
const ARGS: [&str; 9] = [
    "-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot",
];

/// The process groups of all machines that run, for their end with this program.
static RUNNING: Mutex<Option<BTreeSet<i32>>> = Mutex::new(Some(BTreeSet::new()));

/// Ends all machines; from now on none starts.
pub fn kill_all() {
    let running = RUNNING
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    for group in running.into_iter().flatten() {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// A machine has said nothing for so long.
#[derive(Debug)]
pub struct Silence(Duration);

impl fmt::Display for Silence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "it has said nothing for {} s", self.0.as_secs())
    }
}

impl std::error::Error for Silence {}

/// A machine that runs, and is killed when this value goes.
pub struct Vm {
    child: Child,
    /// What the machine is asked by.
    pub qmp: Qmp,
    log: File,
    stdin: ChildStdin,
    lines: Receiver<String>,
    started: Instant,
    deadline: Option<Instant>,
    silence: Option<Duration>,
}

impl Vm {
    /// Starts QEMU with these arguments beside those of all machines; everything from its serial port
    /// goes to the file `log` as well.
    pub fn start<A: AsRef<OsStr>>(args: &[A], log: &Path) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut log = File::create(log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(QEMU);
        command
            .args(ARGS)
            .arg("-chardev")
            .arg(format!("socket,id=qmp,fd={}", theirs.as_raw_fd()))
            .args(["-mon", "chardev=qmp,mode=control"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command.stderr(log.try_clone()?);
        let own_log = log.try_clone()?;
        // A group of its own: Ctrl-C on the terminal reaches this program alone, which kills it.
        command.process_group(0);
        let begin = move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty()))?;
            Ok(())
        };
        // SAFETY: prctl(2) and fcntl(2) are system calls and allocate nothing, so they may run after
        // fork(2).
        unsafe {
            command.pre_exec(begin);
        }
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(groups) = running.as_mut() else {
            bail!("interrupted")
        };
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {QEMU}"))?;
        groups.insert(child.id() as i32);
        drop(running);

        let stdin = child.stdin.take().context("QEMU has no standard input")?;
        let mut stdout = child.stdout.take().context("QEMU has no standard output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut splitter = Splitter::default();
            let mut chunk = [0; 4096];
            while let Ok(got @ 1..) = stdout.read(&mut chunk) {
                let _ = log.write_all(&chunk[..got]);
                for line in splitter.feed(&chunk[..got]) {
                    let _ = sender.send(line);
                }
            }
            if let Some(line) = splitter.end() {
                let _ = sender.send(line);
            }
        });
        Ok(Self {
            child,
            qmp: Qmp::new(ours)?,
            log: own_log,
            stdin,
            lines,
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

    /// How long it has been running.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
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
                bail!("it has not ended after {} s", self.age().as_secs())
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
        let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(groups) = running.as_mut() {
            groups.remove(&(self.child.id() as i32));
        }
    }
}

/// Cuts a stream of bytes into lines.
#[derive(Default)]
struct Splitter(Vec<u8>);

impl Splitter {
    /// Takes `bytes`, and gives the lines that they complete.
    fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.0.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(at) = self.0.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=at).collect();
            lines.push(console::clean(&line));
        }
        lines
    }

    /// What is left when the stream ends.
    fn end(self) -> Option<String> {
        (!self.0.is_empty()).then(|| console::clean(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_the_bytes_arrive() {
        let mut splitter = Splitter::default();
        assert!(splitter.feed(b"one").is_empty());
        assert_eq!(splitter.feed(b" line\r\n\ntw"), ["one line", ""]);
        assert_eq!(splitter.end().as_deref(), Some("tw"));
    }
}
