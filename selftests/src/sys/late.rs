//! A string that is there only when the kernel comes to read it: so what is to happen in the middle of
//! a system call, after what the kernel does before, happens exactly then.

use std::ffi::{c_char, CStr};
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, Result};

use super::stalled::StalledPage;

const PATIENCE: Duration = Duration::from_secs(60);

/// Calls `reader` with a pointer to `text`, which has a zero at its end, and `arrives` in the moment
/// in which `reader` first looks at it.
pub fn with_text<T>(
    text: &CStr,
    arrives: impl FnOnce() -> Result<()> + Send,
    reader: impl FnOnce(*const c_char) -> T,
) -> Result<T> {
    let page = StalledPage::new()?;
    let bytes = text.to_bytes_with_nul();
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            page.wait_for_reader(PATIENCE)?;
            let arrived = arrives();
            page.release_with(bytes)?;
            arrived
        });
        let result = reader(page.bytes().as_ptr().cast());
        server.join().map_err(|_| anyhow!("panic"))??;
        Ok(result)
    })
}
