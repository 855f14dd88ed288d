//! Ways for a kernel to come to its end.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use rkexec_protocol::choice::Trigger;

use crate::door::{self, Door};
use crate::xen::Xen;

pub fn pull(trigger: Trigger) -> Result<()> {
    /// What Xen has for a crash.
    const KEY: u8 = b'C';
    const WATCHDOG_SECONDS: u32 = 2;
    /// Long enough for each of them.
    const PATIENCE: Duration = Duration::from_secs(20);
    match trigger {
        Trigger::Sysrq => {
            let path = "/proc/sysrq-trigger";
            std::fs::write(path, "c").context(path)?;
        }
        Trigger::DebugKey => Xen::open()?.press_debug_key(KEY)?,
        Trigger::Watchdog => Xen::open()?.start_watchdog(WATCHDOG_SECONDS)?,
        Trigger::Shutdown => Xen::open()?.shut_down_crashed()?,
        Trigger::Exec => Door::open()?.exec(door::CRASH)?,
    }
    sleep(PATIENCE);
    bail!("nothing has happened")
}
