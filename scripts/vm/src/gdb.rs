//! A client for QEMU's gdb server: just enough to change the machine's memory from outside.
//!
//! The server stops the machine as long as somebody is connected. Addresses are machine
//! addresses: QEMU is switched to them first (docs/system/gdb.rst in QEMU, "PhyMemMode").

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};

/// A connection. While it lasts the machine stands still.
pub struct Gdb<S>(S);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Gdb<UnixStream> {
    /// Connects to the server that listens on `socket`, and stops the machine.
    ///
    /// # Errors
    ///
    /// There is no server, or it does not know machine addresses.
    pub fn connect(socket: &Path) -> Result<Self> {
        let started = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if started.elapsed() > PATIENCE => {
                    return Err(error).with_context(|| socket.display().to_string());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        Self::begin(stream)
    }
}

impl<S: Read + Write> Gdb<S> {
    fn begin(stream: S) -> Result<Self> {
        let mut gdb = Self(stream);
        let answer = gdb.ask("Qqemu.PhyMemMode:1")?;
        ensure!(
            answer == "OK",
            "QEMU does not take machine addresses: {answer:?}"
        );
        Ok(gdb)
    }

    /// Changes one bit of the byte at the machine address `address`.
    ///
    /// # Errors
    ///
    /// There is no memory at that address, or it does not keep the change.
    pub fn flip_bit(&mut self, address: u64, bit: u8) -> Result<()> {
        let [byte] = self.read(address)?;
        let changed = byte ^ (1 << bit);
        let answer = self.ask(&format!("M{address:x},1:{changed:02x}"))?;
        ensure!(answer == "OK", "writing to {address:#x}: {answer:?}");
        ensure!(
            self.read(address)? == [changed],
            "{address:#x} does not keep what is written"
        );
        Ok(())
    }

    /// Lets the machine go on, and ends the connection.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub fn detach(mut self) -> Result<()> {
        let answer = self.ask("D")?;
        ensure!(answer == "OK", "detaching: {answer:?}");
        Ok(())
    }

    /// The bytes at the machine address `address`.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn read<const BYTES: usize>(&mut self, address: u64) -> Result<[u8; BYTES]> {
        let answer = self.ask(&format!("m{address:x},{BYTES:x}"))?;
        ensure!(
            answer.len() == 2 * BYTES,
            "reading {address:#x}: {answer:?}"
        );
        let mut bytes = [0; BYTES];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            let digits = answer.get(at..at + 2).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16)
                .with_context(|| format!("reading {address:#x}: {answer:?}"))?;
        }
        Ok(bytes)
    }

    /// Sends a command and gives the answer.
    fn ask(&mut self, command: &str) -> Result<String> {
        self.0.write_all(packet(command).as_bytes())?;
        self.0.flush()?;
        loop {
            match self.byte()? {
                b'+' => {}
                b'-' => bail!("the gdb server did not understand {command:?}"),
                b'$' => break,
                other => bail!("the gdb server says {other:#x} outside of a packet"),
            }
        }
        let mut body = Vec::new();
        loop {
            match self.byte()? {
                b'#' => break,
                byte => body.push(byte),
            }
        }
        let sum = [self.byte()?, self.byte()?];
        let body = String::from_utf8(body).context("an answer that is no text")?;
        ensure!(
            sum == checksum(&body).as_bytes(),
            "the checksum of {body:?} is wrong"
        );
        self.0.write_all(b"+")?;
        Ok(body)
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.0
            .read_exact(&mut byte)
            .context("the gdb server does not answer")?;
        Ok(byte[0])
    }
}

/// The sum of the bytes, modulo 256, in two hexadecimal digits.
fn checksum(body: &str) -> String {
    format!("{:02x}", body.bytes().fold(0_u8, u8::wrapping_add))
}

fn packet(body: &str) -> String {
    format!("${body}#{}", checksum(body))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;

    use super::*;

    /// A server with one byte of memory.
    struct Server {
        memory: u8,
        read_only: bool,
        answers: VecDeque<u8>,
        log: Vec<String>,
    }

    impl Write for Server {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = std::str::from_utf8(bytes).unwrap();
            if let Some((command, sum)) = text.strip_prefix('$').and_then(|it| it.split_once('#')) {
                assert_eq!(sum, checksum(command));
                let answer = match command {
                    "m1000,1" => format!("{:02x}", self.memory),
                    _ => {
                        if let Some(byte) = command.strip_prefix("M1000,1:") {
                            if !self.read_only {
                                self.memory = u8::from_str_radix(byte, 16).unwrap();
                            }
                        }
                        "OK".to_owned()
                    }
                };
                self.answers.extend(b"+");
                self.answers.extend(packet(&answer).bytes());
                self.log.push(command.to_owned());
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Read for Server {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.answers.read(buffer)
        }
    }

    fn server(read_only: bool) -> Server {
        Server {
            memory: 0x41,
            read_only,
            answers: VecDeque::new(),
            log: Vec::new(),
        }
    }

    #[test]
    fn a_packet_carries_the_sum_of_its_bytes() {
        assert_eq!(packet("OK"), "$OK#9a");
        assert_eq!(packet(""), "$#00");
    }

    #[test]
    fn a_bit_is_changed_at_a_machine_address() {
        let mut gdb = Gdb::begin(server(false)).unwrap();
        gdb.flip_bit(0x1000, 3).unwrap();
        assert_eq!(gdb.0.memory, 0x49);
        let expected = ["Qqemu.PhyMemMode:1", "m1000,1", "M1000,1:49", "m1000,1"];
        assert_eq!(gdb.0.log, expected);
    }

    #[test]
    fn a_change_that_does_not_last_is_an_error() {
        let mut gdb = Gdb::begin(server(true)).unwrap();
        assert!(gdb
            .flip_bit(0x1000, 3)
            .unwrap_err()
            .to_string()
            .contains("does not keep"));
    }
}
