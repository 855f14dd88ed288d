//! What the hand-over hashes by, also for callers outside of it.
//!
//! The benchmark (`benches/sha256/`) and a test map this program into a process of the host and call
//! `handover_hash` there: what they measure is the machine code that runs between two kernels. The page
//! tables are hashed through this very function. List and image, which are not in one piece, go through
//! `Hasher::update` as this does, of which there is one copy.

use core::slice;

use rkexec::abi::handover::Digest;
use rkexec_handover::digest::of;

/// Whether `bytes` have the digest `expected`.
pub fn matches(bytes: &[u8], expected: &Digest) -> bool {
    let mut digest = [0; size_of::<Digest>()];
    // SAFETY: Both are slices of this program's memory, as long as they say.
    unsafe { handover_hash(bytes.as_ptr(), bytes.len(), &mut digest) };
    digest == *expected
}

/// Writes the SHA-256 of `len` bytes at `bytes` to `digest`. The signature is that of the kernel's own
/// `sha256`.
///
/// # Safety
///
/// Both can be accessed, and do not overlap.
#[export_name = "handover_hash"]
#[inline(never)]
unsafe extern "C" fn handover_hash(bytes: *const u8, len: usize, digest: *mut Digest) {
    // SAFETY: By contract.
    let bytes = unsafe { slice::from_raw_parts(bytes, len) };
    // SAFETY: By contract.
    unsafe { digest.write(of(bytes)) };
}
