//! QEMU's monitor (docs/interop/qmp-spec.rst in QEMU's source): a line of JSON for each command and
//! answer, and lines about events in between.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use serde_json::{json, Value};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The monitor of a machine.
pub struct Qmp {
    stream: BufReader<UnixStream>,
    commands: u64,
}

impl Qmp {
    /// The one at the other end of `stream`, which may not be there yet.
    pub(crate) fn new(mut stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        // Before this it takes no other. The answer is left out, as the greeting is.
        writeln!(stream, "{}", json!({"execute": "qmp_capabilities"}))?;
        Ok(Self {
            stream: BufReader::new(stream),
            commands: 0,
        })
    }

    /// Gives a command; what it returns.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        self.commands += 1;
        let request = json!({"execute": command, "arguments": arguments, "id": self.commands});
        writeln!(self.stream.get_mut(), "{request}").context("QEMU's monitor")?;
        loop {
            let mut line = String::new();
            let got = self.stream.read_line(&mut line);
            let got = got.with_context(|| format!("QEMU's monitor, {command}"))?;
            ensure!(got > 0, "QEMU's monitor ends, {command}");
            let mut answer: Value = serde_json::from_str(&line)?;
            if answer["id"] == self.commands {
                ensure!(
                    answer.get("error").is_none(),
                    "{command}: {}",
                    answer["error"]
                );
                return Ok(answer["return"].take());
            }
        }
    }

    /// Gives a command of the monitor for people, where there is none for programs.
    pub fn human(&mut self, command: &str) -> Result<String> {
        let said = self.execute("human-monitor-command", json!({"command-line": command}))?;
        let said = said.as_str().context("QEMU's monitor says no text")?;
        Ok(said.replace('\r', ""))
    }

    /// Waits until the `status` that the command `query` tells is `wanted`.
    pub fn wait_for(&mut self, query: &str, wanted: &str) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let told = self.execute(query, json!({}))?;
            match told["status"].as_str() {
                Some(status) if status == wanted => return Ok(()),
                Some("failed") => bail!("{query}: {told}"),
                _ => sleep(Duration::from_millis(100)),
            }
        }
        bail!("{query} never says {wanted}")
    }
}

/// From what `info registers -a` says, of each processor where it is and whether it sleeps.
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
    fn an_answer_is_the_line_with_the_number_of_the_command() {
        let (ours, mut qemu) = UnixStream::pair().unwrap();
        let said = "{\"QMP\": {}}\n{\"return\": {}}\n{\"event\": \"STOP\"}\n\
                    {\"return\": \"one\\r\\n\", \"id\": 1}\n{\"error\": {\"desc\": \"why\"}, \"id\": 2}\n";
        qemu.write_all(said.as_bytes()).unwrap();
        let mut qmp = Qmp::new(ours).unwrap();
        assert_eq!(qmp.human("info").unwrap(), "one\n");
        let error = qmp.execute("stop", json!({})).unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
        drop(qemu);
        assert!(qmp.execute("cont", json!({})).is_err());
    }

    #[test]
    fn the_places_of_all_processors_are_found() {
        let registers = "CPU#0\nRAX=1 RBX=2\nRIP=ffff RFL=00000246 CPL=0 II=0 SMM=0 HLT=1\n\
                         CPU#1\nRIP=1234 RFL=00000002 HLT=0\n";
        assert_eq!(places(registers), "RIP=ffff HLT=1 RIP=1234 HLT=0");
    }
}
