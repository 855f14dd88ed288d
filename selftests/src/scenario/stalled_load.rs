//! A load that stands still in its midst.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::prelude::*;
use crate::sys::stalled::StalledPage;

/// What is in the segment before the one that stands still, and how much of it.
const FILLED_WITH: u8 = 0xa5;
const FILLED: u64 = 4 << 20;
/// What is done at once takes no longer, on the slowest of computers.
pub const AT_ONCE: Duration = Duration::from_secs(30);

/// A load by `kexec_load` that has come to the data of its last segment, and not further. It goes on when it is
/// dropped.
pub struct StalledLoad {
    page: Arc<StalledPage>,
    load: Option<JoinHandle<io::Result<()>>>,
}

impl StalledLoad {
    /// Begins one to the machine address `at`, with these flags.
    pub fn begin(at: u64, flags: u64) -> Result<Self> {
        let page = Arc::new(StalledPage::new()?);
        let data = Arc::clone(&page);
        let load = thread::spawn(move || {
            let filled = vec![FILLED_WITH; FILLED as usize];
            let segments = [
                Segment::new(&filled, at, FILLED),
                Segment::new(data.bytes(), at + FILLED, PAGE),
            ];
            kexec::load(at, &segments, flags)
        });
        let load = Self {
            page,
            load: Some(load),
        };
        load.page.wait_for_reader(AT_ONCE)?;
        Ok(load)
    }

    /// Lets it go on to its end, which must be a good one.
    pub fn ends_well(mut self) -> Result<()> {
        self.page.release()?;
        let load = self.load.take().context("there is no load")?;
        load.join()
            .map_err(|_| anyhow!("the loader has panicked"))?
            .context("kexec_load")
    }
}

impl Drop for StalledLoad {
    fn drop(&mut self) {
        if let Some(load) = self.load.take() {
            let _ = self.page.release();
            let _ = load.join();
        }
    }
}
