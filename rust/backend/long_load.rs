//! A load that takes long is in nobody's way, and ends when its task is being killed.

use super::error::LoadError;
use crate::sys::pages::{is_being_killed, resched};

/// Between two pieces of a long load: somebody else may run, and a task that is being killed stops here.
pub(crate) fn give_way() -> Result<(), LoadError> {
    resched();
    match is_being_killed() {
        true => Err(LoadError::Killed),
        false => Ok(()),
    }
}

/// Why the data of a segment cannot be read. Nobody reads for a task that is being killed.
pub(crate) fn unreadable(segment: usize) -> LoadError {
    match is_being_killed() {
        true => LoadError::Killed,
        false => LoadError::Unreadable { segment },
    }
}
