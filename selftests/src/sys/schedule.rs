//! Which processor a thread runs on, and what it has to wait for there: sched(7).

use std::io;

use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;

/// Keeps this thread, and what it starts, on one processor.
pub fn keep_to(processor: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// Has this thread run when nobody else wants to (`SCHED_IDLE`).
pub fn give_way() -> io::Result<()> {
    // SAFETY: The call reads one structure, of which zeros are right for this policy.
    let result = unsafe {
        let parameters: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &parameters)
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
