//! What many tests write memory with. The models have their own arithmetic.

use rkexec::addr::{Maddr, Mfn, PHYS_END};
use rkexec::memmap::{E820Type, MapEntry};
use rkexec::range::MaRange;

pub const PAGE: u64 = 4096;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;

/// Numbers at which addresses, lengths and their sums may go wrong.
pub fn hostile_numbers() -> Vec<u64> {
    let low = [0, 1, 4095, 4096, 0x9_f000, 0xa_0000, 0x100_0000];
    let around_the_end = [4096, 1, 0].map(|by| PHYS_END - by);
    let wrapping = [4096, 1, 0].map(|by| u64::MAX - by);
    [&low[..], &around_the_end, &[PHYS_END + 1], &wrapping].concat()
}

pub fn ma(raw: u64) -> Maddr {
    Maddr::new(raw).expect("a machine address")
}

pub fn mfn(number: u64) -> Mfn {
    Mfn::from_number(number).expect("a frame")
}

pub fn range(start: u64, end: u64) -> MaRange {
    MaRange::new(ma(start), ma(end)).expect("in order")
}

/// So many pages from the page `first` on.
pub fn pages(first: u64, nr: u64) -> MaRange {
    range(first * PAGE, (first + nr) * PAGE)
}

pub fn entry(start: u64, end: u64, kind: E820Type) -> MapEntry {
    raw_entry(start, end - start, kind.raw())
}

/// An entry of any numbers.
pub fn raw_entry(start: u64, len_bytes: u64, kind_raw: u32) -> MapEntry {
    MapEntry {
        start,
        len_bytes,
        kind_raw,
    }
}

/// Writes over what is at `at`.
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// The same bytes, but for what is at `at`.
pub fn with(bytes: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    put(&mut bytes, at, value);
    bytes
}
