//! Where the parts of the blob are: what the linker script lays out, for Rust.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use rkexec::abi::handover::{Epitaph, Header, Params, PARAMS_DIGESTED};
use rkexec::addr::Maddr;
use rkexec::range::MaRange;
use rkexec_bare::address_of;

/// Memory that something outside of this program writes or reads. It has an address and nothing
/// else: were it read as a static, the compiler could see that nobody here ever writes to it.
#[repr(transparent)]
pub struct Shared<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: One processor runs the hand-over, and the only thing that interrupts it and returns (an NMI) uses
// nothing of this.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::zeroed()))
    }
}

/// Filled in by the module before it loads the hand-over.
#[export_name = "handover_params"]
#[link_section = ".head.params"]
pub static PARAMS: Shared<Params> = Shared::new();

/// Filled in by [`crate::stop`].
#[export_name = "handover_epitaph"]
#[link_section = ".head.epitaph"]
pub static EPITAPH: Shared<Epitaph> = Shared::new();

/// The header.
pub fn header() -> &'static Header {
    // SAFETY: It lies there, aligned, and nobody writes to it while the hand-over runs.
    unsafe { &*(base() as *const Header) }
}

fn params_address() -> u64 {
    address_of!("handover_params")
}

/// The parameters, as they are in memory.
pub fn params() -> &'static Params {
    // SAFETY: All bit patterns are valid, and nobody writes to them while the hand-over runs.
    unsafe { &*(params_address() as *const Params) }
}

/// The bytes of the parameters that their digest covers.
pub fn digested_params() -> &'static [u8; PARAMS_DIGESTED] {
    // SAFETY: As in `params`; the type has no padding, and is at least as long.
    unsafe { &*(&raw const *params()).cast() }
}

/// Where the epitaph goes.
pub fn epitaph() -> *mut Epitaph {
    address_of!("handover_epitaph") as *mut Epitaph
}

/// The machine address of the first byte of the blob.
pub fn base() -> u64 {
    address_of!("handover_header")
}

/// The entry stubs of the exceptions.
pub fn stubs() -> u64 {
    address_of!("handover_stubs")
}

/// Where the parameters are, in bytes from the first byte of the blob.
pub fn params_offset() -> u64 {
    params_address().wrapping_sub(base())
}

/// The blob: from its first byte to the end of its stack.
pub fn chunk() -> MaRange {
    let end = address_of!("handover_end");
    // Both are addresses of mapped memory, so neither is past the physical address space; were they,
    // the empty range would fail the check of the header.
    Maddr::new(base())
        .zip(Maddr::new(end))
        .and_then(|(start, end)| MaRange::new(start, end))
        .unwrap_or(EMPTY)
}

/// No byte.
const EMPTY: MaRange = match MaRange::new(Maddr::ZERO, Maddr::ZERO) {
    Some(range) => range,
    None => unreachable!(),
};
