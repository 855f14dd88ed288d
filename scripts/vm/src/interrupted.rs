//! The hand-over is interrupted, by what cannot be switched off, and goes on.

use anyhow::{ensure, Result};

use crate::ending::{Ending, Outside};
use crate::reset::COPIED;

/// One machine's way to its next kernel.
#[derive(Default)]
pub struct Interrupted {
    sent: bool,
    counted: bool,
}

impl Ending for Interrupted {
    /// When it begins to verify the image, which takes a while.
    fn line(&mut self, line: &str, outside: &mut Outside<'_>) -> Result<()> {
        if line.starts_with(COPIED) {
            self.sent = true;
            for _ in 0..3 {
                outside.vm.qmp.human("nmi")?;
            }
        }
        self.counted |= line.starts_with("rkexec: NMIs that were ignored: ");
        Ok(())
    }

    fn begins(&mut self, stage: u32) -> Result<()> {
        ensure!(stage == 1 || self.sent, "nobody has interrupted anything");
        ensure!(stage == 1 || self.counted, "the hand-over has not noticed");
        Ok(())
    }
}
