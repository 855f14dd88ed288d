//! The image: put in place first, then verified where it is.
//!
//! What is verified is what the next kernel is made of. To verify the sources instead would not see what
//! becomes of the destinations, to which a device may still write that nobody has told to stop: they
//! belonged to somebody else until a moment ago. And a fault costs the same either way, a restart.

use rkexec::abi::handover::Digest;

use super::digest::Hasher;
use super::fault::Fault;
use super::list::{List, ListFault, Run};
use super::memory::Memory;

/// Copies and zero-fills, in the order of `list`. Returns the number of bytes that were copied.
///
/// # Errors
///
/// What is wrong with the list: then it has changed since it was verified.
pub fn place(list: &List, memory: &mut impl Memory) -> Result<u64, ListFault> {
    let mut bytes = 0u64;
    let mut runs = list.runs();
    while let Some(run) = runs.next(memory)? {
        match run {
            Run::Copy { dst, src } => {
                memory.copy(dst.start(), src);
                // 2^64 bytes would take longer to copy than any machine stands.
                bytes = bytes.saturating_add(src.len_bytes());
            }
            Run::Zero(dst) => memory.zero(dst),
            Run::InPlace(_) => {}
        }
    }
    Ok(bytes)
}

/// Checks that the data of `list`, in its order and in its place, has the digest `expected`. Returns the
/// number of bytes.
///
/// # Errors
///
/// [`Fault::List`] for an entry that is not valid, [`Fault::Image`].
pub fn verify(list: &List, memory: &impl Memory, expected: &Digest) -> Result<u64, Fault> {
    let mut hasher = Hasher::new();
    let mut bytes = 0u64;
    let mut runs = list.runs();
    while let Some(run) = runs.next(memory)? {
        if let Some(data) = run.data() {
            memory.hash(data, &mut hasher);
            bytes = bytes.saturating_add(data.len_bytes());
        }
    }
    if hasher.finish() == *expected {
        Ok(bytes)
    } else {
        Err(Fault::Image)
    }
}
