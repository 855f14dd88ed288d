//! SHA-256 by the kernel's library, which uses the processor's SHA instructions where there are any.

use core::mem::MaybeUninit;

use kernel::bindings;

use crate::abi::handover::Digest;

/// A digest in the making.
pub(crate) struct Sha256(bindings::sha256_ctx);

impl Sha256 {
    /// The digest of nothing, so far.
    pub(crate) fn new() -> Self {
        let mut ctx = MaybeUninit::uninit();
        // SAFETY: `sha256_init` initialises the whole context that it is given.
        unsafe {
            bindings::sha256_init(ctx.as_mut_ptr());
            Self(ctx.assume_init())
        }
    }

    /// Goes on with `data`.
    pub(crate) fn update(&mut self, data: &[u8]) {
        // SAFETY: The context is initialised, and `data` is valid for its length.
        unsafe { bindings::__sha256_update(&mut self.0.ctx, data.as_ptr(), data.len()) };
    }

    /// The digest of everything since `new`, after which there is nothing in `self` any more.
    pub(crate) fn finish(&mut self) -> Digest {
        let mut digest = Digest::default();
        // SAFETY: The context is initialised, and `digest` has the 32 bytes that are written.
        // Afterwards the context is what `sha256_init` makes of it.
        unsafe {
            bindings::sha256_final(&mut self.0, digest.as_mut_ptr());
            bindings::sha256_init(&mut self.0);
        }
        digest
    }

    /// The digest of `data` alone.
    pub(crate) fn digest(data: &[u8]) -> Digest {
        let mut digest = Digest::default();
        // SAFETY: `data` is valid for its length, and `digest` has the 32 bytes that are written.
        unsafe { bindings::sha256(data.as_ptr(), data.len(), digest.as_mut_ptr()) };
        digest
    }
}
