//! Runs the bench in QEMU: one machine at a time, and none for longer than a minute.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::artifacts;

/// The longest that a machine may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two cores are for one machine.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A running machine.
pub struct Machine {
    child: Child,
    serial: PathBuf,
    deadline: Instant,
    monitor: (ChildStdin, BufReader<ChildStdout>),
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    /// Starts the scenario on a processor of the model `cpu`, in a machine of the type `machine`;
    /// only a `pc` has a screen.
    pub fn start(scenario: &str, cpu: &str, machine: &str) -> Self {
        let turn = ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let artifacts = artifacts::get();
        let serial = artifacts::directory("serial").join(format!("{scenario}-{machine}-{cpu}.log"));
        let _ = fs::remove_file(&serial);
        let screen: &[_] = if machine == "pc" {
            &["-vga", "std"]
        } else {
            &[]
        };
        let mut child = Command::new("qemu-system-x86_64")
            .args([
                "-accel",
                "tcg",
                "-machine",
                machine,
                "-cpu",
                cpu,
                "-m",
                "64M",
                "-no-reboot",
            ])
            .args(["-nodefaults", "-display", "none", "-qmp", "stdio"])
            .args(screen)
            .args(["-device", "isa-debug-exit,iobase=0xf4", "-append", scenario])
            .arg("-kernel")
            .arg(&artifacts.loader)
            .arg("-initrd")
            .arg(&artifacts.flat)
            .arg("-serial")
            .arg(format!("file:{}", serial.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-x86_64 can be run (Debian: qemu-system-x86)");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let deadline = Instant::now() + PATIENCE;
        Self {
            child,
            serial,
            deadline,
            monitor: (stdin, stdout),
            _turn: turn,
        }
    }

    /// What it has said so far.
    pub fn serial(&self) -> String {
        let bytes = fs::read(&self.serial).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// Waits for the machine to end, and returns QEMU's exit code.
    pub fn wait(&mut self) -> i32 {
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code().expect("QEMU exits");
            }
            self.tick("to end");
        }
    }

    /// Waits until it has said `text`.
    pub fn wait_for(&mut self, text: &str) {
        while !self.serial().contains(text) {
            self.tick(text);
        }
    }

    fn tick(&mut self, what: &str) {
        let late = Instant::now() > self.deadline;
        assert!(
            !late,
            "waited too long for {what}; the machine said:\n{}",
            self.serial()
        );
        sleep(Duration::from_millis(20));
    }

    /// Says something to QEMU's human monitor, through QMP.
    pub fn monitor(&mut self, command: &str) -> String {
        self.execute(&json!({"execute": "qmp_capabilities"}));
        let arguments = json!({"command-line": command});
        let answer =
            self.execute(&json!({"execute": "human-monitor-command", "arguments": arguments}));
        answer["return"].as_str().expect("a text").replace('\r', "")
    }

    fn execute(&mut self, request: &Value) -> Value {
        writeln!(self.monitor.0, "{request}").expect("QEMU listens");
        loop {
            let mut line = String::new();
            let read = self.monitor.1.read_line(&mut line).expect("QEMU answers");
            assert!(
                read > 0,
                "QEMU is gone; the machine said:\n{}",
                self.serial()
            );
            let answer: Value = serde_json::from_str(&line).expect("JSON");
            // Neither the greeting nor an event. The second `qmp_capabilities` is an error, which
            // is fine.
            if answer.get("return").is_some() || answer.get("error").is_some() {
                return answer;
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Gone already, or not needed any longer.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
