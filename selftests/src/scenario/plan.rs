//! What a next kernel is to be: its files, and its command line.

use rkexec_protocol::choice::Extra;
use rkexec_protocol::scenario::BLOB;
use rkexec_protocol::Told;

use crate::expect::Crash;

pub const KERNEL: &str = "/boot/vmlinuz";
/// What its initrd begins with.
pub const BASE: &str = "/boot/next-initrd";
pub const INITRD: &str = "/tmp/initrd";

/// What all next kernels are told. (`tsc=` as for all kernels on the bare machine: `machine.rs` of the
/// runner says why.)
const WORDS: &str = "console=ttyS0,115200 tsc=nowatchdog panic=-1 printk.devkmsg=on";

pub struct Plan {
    pub told: Told,
    /// More words for its command line.
    pub words: &'static str,
    pub next: Option<Extra>,
    pub base: &'static str,
    /// MiB of random bytes in the initrd.
    pub blob: u64,
    /// What a crash of this system leaves behind for it.
    pub crash: Option<Crash>,
}

impl Plan {
    /// The usual one, after a kernel that was `told` that.
    pub fn after(told: &Told) -> Self {
        Self {
            told: told.next(),
            words: "",
            next: None,
            base: BASE,
            blob: BLOB,
            crash: None,
        }
    }

    pub fn cmdline(&self) -> String {
        let told = self.told.to_string();
        let next = self.next.map_or("", Extra::word);
        let words = [WORDS, &told, next, self.words];
        let words: Vec<_> = words.into_iter().filter(|it| !it.is_empty()).collect();
        words.join(" ")
    }
}
