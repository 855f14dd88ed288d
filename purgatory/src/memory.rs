//! Machine memory as the hand-over reaches it.
//!
//! In the blob that is the identity map (`blob/identity.rs`), in the tests an array. An address
//! that is not mapped has no answer here: in the blob it raises a page fault, which is reported as
//! such, and which no caller could handle better.

use rkexec::abi::handover::CopyListPage;
use rkexec::addr::{Maddr, Mfn};
use rkexec::range::MaRange;

use super::digest::Hasher;

/// Machine memory, for as long as nobody else writes to it.
pub trait Memory {
    /// The bytes of `range`, which does not begin at 0.
    fn bytes(&self, range: MaRange) -> &[u8];

    /// Has `hasher` go on over the bytes of `range`, which may begin at 0 (where no slice can).
    fn hash(&self, range: MaRange, hasher: &mut Hasher);

    /// The list page in `frame`.
    fn list_page(&self, frame: Mfn) -> &CopyListPage;

    /// Copies the bytes of `src` to `dst`, which it does not overlap.
    fn copy(&mut self, dst: Maddr, src: MaRange);

    /// Fills `dst` with zeros.
    fn zero(&mut self, dst: MaRange);
}
