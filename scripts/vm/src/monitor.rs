//! QEMU's monitor: what the processors of a machine do that says nothing any more.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::socket::Socket;

/// How long there must be nothing more to read at the end of an answer.
const QUIET: Duration = Duration::from_secs(2);

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
        let mut stream = UnixStream::connect(self.0.path()).context("QEMU's monitor")?;
        stream.set_read_timeout(Some(QUIET))?;
        stream.write_all(b"info registers -a\n")?;
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(got) => answer.extend_from_slice(&chunk[..got]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("QEMU's monitor"),
            }
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
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
    fn the_places_of_all_processors_are_found() {
        let registers = "CPU#0\nRAX=1 RBX=2\nRIP=ffff RFL=00000246 CPL=0 II=0 SMM=0 HLT=1\n\
                         CPU#1\nRIP=1234 RFL=00000002 HLT=0\n";
        assert_eq!(places(registers), "RIP=ffff HLT=1 RIP=1234 HLT=0");
    }
}
