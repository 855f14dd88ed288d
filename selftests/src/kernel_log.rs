//! The kernel log, as it goes on.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{ensure, Context, Result};

/// What the kernel has logged since a moment, or all of it.
pub struct KernelLog(File);

impl KernelLog {
    pub fn from_now_on() -> Result<Self> {
        let mut log = Self::from_the_start()?;
        log.0.seek(SeekFrom::End(0))?;
        Ok(log)
    }

    pub fn from_the_start() -> Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).custom_flags(libc::O_NONBLOCK);
        Ok(Self(options.open("/dev/kmsg").context("/dev/kmsg")?))
    }

    /// What has come since the last time.
    pub fn lines(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(got) => {
                    let text = String::from_utf8_lossy(&record[..got]);
                    lines.extend(message(&text).map(str::to_owned));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(lines),
                // Records were overwritten before they were read; the next ones are there.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(error) => return Err(error).context("/dev/kmsg"),
            }
        }
    }

    /// Whether the kernel has said this since the last time.
    pub fn says(&mut self, this: &str) -> Result<bool> {
        Ok(self.lines()?.iter().any(|line| line.contains(this)))
    }

    pub fn expect(&mut self, this: &str) -> Result<()> {
        self.expect_all(&[this])
    }

    /// Checks that it has said all of these in one line.
    pub fn expect_all(&mut self, these: &[&str]) -> Result<()> {
        let lines = self.lines()?;
        let has_all = |line: &String| these.iter().all(|it| line.contains(it));
        let said = lines.iter().any(has_all);
        ensure!(said, "the log does not say {these:?}: {lines:?}");
        Ok(())
    }
}

/// The message in a record: behind the first semicolon, up to the end of that line
/// (Documentation/ABI/testing/dev-kmsg).
fn message(record: &str) -> Option<&str> {
    record
        .lines()
        .next()?
        .split_once(';')
        .map(|(_, message)| message)
}

/// The time that the module says its load hypercall has taken, in microseconds.
pub fn hypercall_time(lines: &[String]) -> Option<u64> {
    lines.iter().rev().find_map(|line| {
        let (before, _) = line.split_once("load hypercall ")?.1.split_once(" us")?;
        before.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_its_message() {
        assert_eq!(
            message("6,339,5140900,-;NET: a; b\n SUBSYSTEM=x\n"),
            Some("NET: a; b")
        );
        assert_eq!(message(""), None);
    }

    #[test]
    fn the_last_time_counts() {
        let line =
            |time| format!("rkexec: Xen has the hand-over: 12 KiB, load hypercall {time} us");
        assert_eq!(
            hypercall_time(&[line(3), line(1500), "else".to_owned()]),
            Some(1500)
        );
        assert_eq!(hypercall_time(&[]), None);
    }
}
