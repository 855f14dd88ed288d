//! Ways for a kernel to come to its end.

use std::str::FromStr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::xen::Xen;

/// What makes the machine enter its crash kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A panic of this kernel.
    Sysrq,
    /// Xen's own debugger.
    DebugKey,
    /// Xen's watchdog, that nobody pats.
    Watchdog,
    /// This kernel says that it has crashed, and does not panic.
    Shutdown,
}

impl FromStr for Trigger {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "sysrq" => Ok(Self::Sysrq),
            "debug-key" => Ok(Self::DebugKey),
            "watchdog" => Ok(Self::Watchdog),
            "shutdown" => Ok(Self::Shutdown),
            _ => bail!("there is no trigger {text:?}"),
        }
    }
}

impl Trigger {
    /// Ends this kernel.
    ///
    /// # Errors
    ///
    /// It goes on.
    pub fn pull(self) -> Result<()> {
        /// What Xen has for a crash.
        const KEY: u8 = b'C';
        const WATCHDOG_SECONDS: u32 = 2;
        /// Long enough for each of them.
        const PATIENCE: Duration = Duration::from_secs(20);
        match self {
            Self::Sysrq => {
                let path = "/proc/sysrq-trigger";
                std::fs::write(path, "c").context(path)?;
            }
            Self::DebugKey => Xen::open()?.press_debug_key(KEY)?,
            Self::Watchdog => Xen::open()?.start_watchdog(WATCHDOG_SECONDS)?,
            Self::Shutdown => Xen::open()?.shut_down_crashed()?,
        }
        sleep(PATIENCE);
        bail!("nothing has happened")
    }
}
