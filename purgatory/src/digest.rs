//! SHA-256, from the crate `sha2`.
//!
//! It picks its code at run time: SHA-NI where CPUID reports it (with SSSE3 and SSE4.1), else a
//! portable one. The check reads CPUID only. Unlike one for AVX it wants neither CR4.OSXSAVE nor
//! XCR0, which nobody has set up here; SSE itself is switched on by the entry code.

use rkexec::abi::handover::Digest;
use sha2::Digest as _;

/// A digest in the making.
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// A digest over nothing so far.
    pub fn new() -> Self {
        Self(sha2::Sha256::new())
    }

    /// Goes on over `bytes`. One function, and never a part of another one: all that the hand-over
    /// hashes goes through it, and so does what is measured (`blob/hash.rs`).
    #[inline(never)]
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest over everything so far.
    pub fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

/// The digest of `bytes`.
#[inline(never)] // One copy, for parameters, page tables and whoever measures it (`blob/hash.rs`).
pub fn of(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finish()
}

/// Whether `bytes` have the digest `expected`.
pub fn matches(bytes: &[u8], expected: &Digest) -> bool {
    of(bytes) == *expected
}
