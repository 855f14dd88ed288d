//! Runs the bench in QEMU: one machine at a time, as there is one memory at a time (`stage`), and none for
//! longer than a minute.

use std::time::Duration;

use qemu::{Chipset, Ram, Vm};

use crate::artifacts;

/// The longest that a machine may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much memory a machine has.
const MEMORY_MIB: u64 = 64;

pub struct Machine {
    vm: Vm,
    /// Its memory.
    pub ram: Ram,
    /// What it has said so far.
    pub said: String,
}

impl Machine {
    /// Starts the scenario on a processor of the model `cpu`, in a machine of the type `machine`;
    /// only a `pc` has a screen.
    pub fn start(scenario: &str, cpu: &str, machine: &str) -> Self {
        let artifacts = artifacts::get();
        let log = artifacts::directory("serial").join(format!("{scenario}-{machine}-{cpu}.log"));
        let memory = artifacts::directory("memory").join(scenario);
        let [loader, memory] = [&artifacts.loader, &memory].map(|it| it.display().to_string());
        let ram = Ram::new(MEMORY_MIB, Chipset::I440fx).expect("room for a file in memory");
        let size = format!("{MEMORY_MIB}M");
        let screen = if machine == "pc" { "std" } else { "none" };
        #[rustfmt::skip]
        let args = [
            "-nodefaults", "-accel", "tcg", "-machine", machine, "-cpu", cpu, "-m", &size, "-vga", screen,
            "-device", "isa-debug-exit,iobase=0xf4", "-kernel", &loader, "-append", scenario,
            "-initrd", &memory,
        ];
        let memory_args = ram.qemu_args();
        let args: Vec<&str> = (args.into_iter())
            .chain(memory_args.iter().map(String::as_str))
            .collect();
        let vm = Vm::start(&args, &log);
        let mut vm = vm.expect("qemu-system-x86_64 can be run (Debian: qemu-system-x86)");
        vm.expire_after(PATIENCE);
        Self {
            vm,
            ram,
            said: String::new(),
        }
    }

    /// Waits for the machine to end, and returns QEMU's exit code.
    pub fn wait(&mut self) -> i32 {
        while self.listen() {}
        self.vm.exit_code().expect("QEMU exits")
    }

    pub fn wait_for(&mut self, text: &str) {
        while !self.said.contains(text) {
            assert!(self.listen(), "it never said {text}, but:\n{}", self.said);
        }
    }

    /// Waits for a line. False when the machine has ended.
    fn listen(&mut self) -> bool {
        match self.vm.next_line() {
            Ok(Some(line)) => {
                self.said += &(line + "\n");
                true
            }
            Ok(None) => false,
            Err(error) => panic!("{error:#}; the machine said:\n{}", self.said),
        }
    }

    /// Says something to QEMU's human monitor.
    pub fn monitor(&mut self, command: &str) -> String {
        self.vm.qmp.human(command).expect("QEMU answers")
    }
}
