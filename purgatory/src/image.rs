//! The image: verified as a whole first, then put in place.

use rkexec::abi::handover::Digest;

use super::digest::Hasher;
use super::fault::Fault;
use super::list::{List, ListFault, Run};
use super::memory::Memory;

/// Checks that the data of `list`, in its order, has the digest `expected`. Nothing is written.
/// Returns the number of bytes.
///
/// # Errors
///
/// [`Fault::List`] for an entry that is not valid, [`Fault::Image`].
pub fn verify(list: &List, memory: &impl Memory, expected: &Digest) -> Result<u64, Fault> {
    let mut hasher = Hasher::new();
    let mut bytes = 0u64;
    let mut runs = list.runs();
    while let Some(run) = runs.next(memory)? {
        if let Some(source) = run.source() {
            hasher.update(memory.bytes(source));
            // 2^64 bytes would take longer to hash than any machine stands.
            bytes = bytes.saturating_add(source.len_bytes());
        }
    }
    if hasher.finish() == *expected {
        Ok(bytes)
    } else {
        Err(Fault::Image)
    }
}

/// Copies and zero-fills, in the order of `list`.
///
/// # Errors
///
/// What is wrong with the list: then it has changed since it was verified.
pub fn place(list: &List, memory: &mut impl Memory) -> Result<(), ListFault> {
    let mut runs = list.runs();
    while let Some(run) = runs.next(memory)? {
        match run {
            Run::Copy { dst, src } => memory.copy(dst, src),
            Run::Zero(dst) => memory.zero(dst),
            Run::InPlace(_) => {}
        }
    }
    Ok(())
}
