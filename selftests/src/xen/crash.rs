//! What a dom0 asks Xen about crashes, and how it makes one.

use anyhow::{ensure, Context, Result};
use sha2::{Digest, Sha256};

use super::{Range, Xen};
use crate::sys::bindings::xen;
use crate::sys::locked::{Locked, Plain};

const PAGE: usize = 4096;
const LOW_END: usize = 0xa_0000;

impl Xen {
    /// The memory that Xen has set aside for a crash image (`KEXEC_RANGE_MA_CRASH`); nothing if it
    /// was not told to.
    pub fn crash_area(&self) -> Result<Option<Range>> {
        let range = self.range(xen::KEXEC_RANGE_MA_CRASH, 0);
        let range = range.context("KEXEC_RANGE_MA_CRASH")?;
        Ok((!range.is_empty()).then_some(range))
    }

    pub fn has_crash_image(&self) -> Result<bool> {
        self.status(xen::KEXEC_TYPE_CRASH)
    }

    /// Where Xen writes its notes for a dump: those of each processor, and its vmcoreinfo.
    pub fn crash_notes(&self) -> Result<Vec<Range>> {
        // It says that there are no more of them by an error.
        let mut notes: Vec<_> = (0..)
            .map_while(|number| self.range(xen::KEXEC_RANGE_MA_CPU, number).ok())
            .filter(|range| !range.is_empty())
            .collect();
        ensure!(!notes.is_empty(), "Xen has no notes for any processor");
        let info = self.range(xen::KEXEC_RANGE_MA_VMCOREINFO, 0);
        notes.push(info.context("KEXEC_RANGE_MA_VMCOREINFO")?);
        Ok(notes)
    }

    /// The digests of the pages of the machine's memory below the video memory. Xen gives none of
    /// it to anybody, and shows it as it shows the memory of devices.
    pub fn low_memory(&self) -> Result<Vec<[u8; 32]>> {
        let frames: Vec<u64> = (0..(LOW_END / PAGE) as u64).collect();
        let words = self.0.read_frames(xen::domid_io, &frames)?;
        let digest = |page: &[u64]| {
            let mut hash = Sha256::new();
            page.iter().for_each(|word| hash.update(word.to_le_bytes()));
            hash.finalize().into()
        };
        Ok(words.chunks(PAGE / size_of::<u64>()).map(digest).collect())
    }

    /// Presses a key of Xen's own debugger (`XEN_SYSCTL_debug_keys`).
    pub fn press_debug_key(&self, key: u8) -> Result<()> {
        let key = Locked::<u8>::holding(key)?;
        let mut request = xen::xen_sysctl {
            cmd: xen::XEN_SYSCTL_debug_keys,
            ..Default::default()
        };
        let mut keys = xen::xen_sysctl_debug_keys {
            nr_keys: 1,
            ..Default::default()
        };
        keys.keys.p = key.as_ptr().cast();
        request.u.debug_keys = keys;
        // SAFETY: The key is in a locked buffer that is one byte long. What it does to the machine
        // is what the caller wants.
        unsafe { self.sysctl(request) }.context("XEN_SYSCTL_debug_keys")?;
        Ok(())
    }

    /// Has Xen crash dom0 (`SCHEDOP_shutdown`), as a dom0 does that panics.
    pub fn shut_down_crashed(&self) -> Result<()> {
        let request = xen::sched_shutdown {
            reason: xen::SHUTDOWN_crash,
        };
        self.end_by(xen::SCHEDOP_shutdown, request)
            .context("SCHEDOP_shutdown")
    }

    /// Starts a watchdog of Xen's that nobody will pat, and that kills dom0 after so many seconds.
    pub fn start_watchdog(&self, seconds: u32) -> Result<()> {
        let request = xen::sched_watchdog {
            id: 0,
            timeout: seconds,
        };
        self.end_by(xen::SCHEDOP_watchdog, request)
            .context("SCHEDOP_watchdog")
    }

    fn end_by<T: Plain>(&self, op: u32, request: T) -> Result<()> {
        // SAFETY: The requests are those of the two operations above. They end this system, which is
        // what it is for.
        unsafe { self.ask(xen::__HYPERVISOR_sched_op, op, request) }?;
        Ok(())
    }
}
