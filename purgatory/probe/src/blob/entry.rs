//! The way in. Whatever comes after it is `start` of the module above: the probe's own, or the
//! bench's, which has the hand-over enter it.

use core::cell::UnsafeCell;

use rkexec_probe::state::State;

core::arch::global_asm!(
    include_str!("entry.s"),
    state = sym STATE,
    state_bytes = const size_of::<State>(),
    start = sym super::start,
);

/// Where `entry.s` writes the state.
#[repr(transparent)]
struct Shared(UnsafeCell<[u64; size_of::<State>() / 8]>);

// SAFETY: One processor runs the probe, and the entry code writes before any Rust code reads.
unsafe impl Sync for Shared {}

static STATE: Shared = Shared(UnsafeCell::new([0; size_of::<State>() / 8]));

/// The state at entry.
pub fn state() -> &'static State {
    // SAFETY: Words, as many as a `State` has, and written for the last time.
    unsafe { &*STATE.0.get().cast() }
}
