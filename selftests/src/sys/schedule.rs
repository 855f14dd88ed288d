//! Which processor a thread runs on, and what it has to wait for there: sched(7).

use std::io;

pub fn keep_to(processor: usize) -> io::Result<()> {
    // SAFETY: Zeros are an empty set, which the call reads.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set)
    };
    checked(result)
}

/// Has this thread run when nobody else wants to (`SCHED_IDLE`).
pub fn give_way() -> io::Result<()> {
    // SAFETY: The call reads one structure, of which zeros are right for this policy.
    let result = unsafe {
        let parameters: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &parameters)
    };
    checked(result)
}

fn checked(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
