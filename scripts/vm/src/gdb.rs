//! What a debugger does with QEMU's stub, as far as breakpoints go: the remote protocol, in so far as it is
//! needed for that (GDB's manual, "Remote Protocol").

use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

/// RIP comes behind the sixteen general registers, in hexadecimal digits.
const RIP: usize = 16 * 16;
const DIGITS: usize = 16;

/// A connection, in which the machine stands still until it is told to go on.
pub struct Gdb {
    from: BufReader<UnixStream>,
    to: UnixStream,
}

/// QEMU's arguments for a stub that listens at `path`.
pub fn qemu_args(path: &Path) -> [String; 4] {
    let path = path.display().to_string().replace(',', ",,");
    [
        "-chardev".to_owned(),
        format!("socket,id=gdb,path={path},server=on,wait=off"),
        "-gdb".to_owned(),
        "chardev:gdb".to_owned(),
    ]
}

impl Gdb {
    /// Connects, which stops the machine.
    pub fn connect(path: &Path) -> Result<Self> {
        let to = UnixStream::connect(path).with_context(|| path.display().to_string())?;
        to.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut gdb = Self {
            from: BufReader::new(to.try_clone()?),
            to,
        };
        // An answer says that it has stopped.
        gdb.ask("?")?;
        Ok(gdb)
    }

    /// Has it stop before the instruction at the virtual address `at`.
    pub fn insert(&mut self, at: u64) -> Result<()> {
        self.done(&format!("Z1,{at:x},1"))
    }

    /// Lets it pass there from now on.
    pub fn remove(&mut self, at: u64) -> Result<()> {
        self.done(&format!("z1,{at:x},1"))
    }

    /// Lets the machine run.
    pub fn go_on(&mut self) -> Result<()> {
        self.send("c")
    }

    /// Waits until it stops: when that was, and where. Nothing if QEMU is gone.
    pub fn stop(&mut self) -> Result<Option<(Instant, u64)>> {
        self.to.set_read_timeout(None)?;
        match self.receive() {
            Ok(why) => ensure!(why.starts_with(['T', 'S']), "it has stopped: {why}"),
            Err(error) if is_end(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
        let when = Instant::now();
        let registers = self.ask("g")?;
        let rip = registers.get(RIP..RIP + DIGITS);
        let rip = rip.context("registers without RIP")?;
        let rip = u64::from_str_radix(rip, 16)?.swap_bytes();
        Ok(Some((when, rip)))
    }

    fn done(&mut self, request: &str) -> Result<()> {
        let answer = self.ask(request)?;
        ensure!(answer == "OK", "{request}: {answer}");
        Ok(())
    }

    fn ask(&mut self, request: &str) -> Result<String> {
        self.send(request)?;
        self.receive()
    }

    fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.to.write_all(packet(text).as_bytes())?)
    }

    /// The next packet, which is taken as good: the connection is a pipe, and not a serial cable.
    fn receive(&mut self) -> Result<String> {
        // Before it may be the other side's word that it has got ours.
        while self.byte()? != b'$' {}
        let mut text = String::new();
        loop {
            match self.byte()? {
                b'#' => break,
                byte => text.push(char::from(byte)),
            }
        }
        let _checksum = [self.byte()?, self.byte()?];
        self.to.write_all(b"+")?;
        Ok(text)
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.from.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}

/// Whether it only says that QEMU has ended.
fn is_end(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref().map(std::io::Error::kind);
    matches!(
        kind,
        Some(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
    )
}

fn packet(text: &str) -> String {
    let sum = text.bytes().fold(0, u8::wrapping_add);
    format!("${text}#{sum:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_has_its_checksum() {
        assert_eq!(packet("OK"), "$OK#9a");
        assert_eq!(packet("?"), "$?#3f");
    }

    #[test]
    fn a_stop_says_where() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut gdb = Gdb {
            from: BufReader::new(ours.try_clone().unwrap()),
            to: ours,
        };
        let registers = format!("{}8877665544332211{}", "0".repeat(RIP), "0".repeat(100));
        let answers = format!("+{}+{}", packet("T05thread:01;"), packet(&registers));
        theirs.write_all(answers.as_bytes()).unwrap();
        let (_, rip) = gdb.stop().unwrap().unwrap();
        assert_eq!(rip, 0x1122_3344_5566_7788);
        drop(theirs);
        assert!(gdb.stop().unwrap().is_none());
    }
}
