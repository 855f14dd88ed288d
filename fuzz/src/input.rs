//! Bytes as an input: read number by number, so that what one byte means does not depend on those behind it.
//!
//! A fuzzer finds more if its small changes are small ones to the input as well. And a seed is easily written: [`Bytes`]
//! is the way back.

use arbitrary::{Arbitrary, Unstructured};
use formats::e820;
use rkexec::memmap::MapEntry;
use rkexec::range::MaRange;

use crate::common::{ma, raw_entry};

/// An input that is being read. Behind its end there are zeros.
pub struct Input<'a>(Unstructured<'a>);

impl<'a> Input<'a> {
    /// The input that these bytes are.
    pub fn new(data: &'a [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    /// The next number, least significant byte first.
    pub fn number<T: Arbitrary<'a>>(&mut self) -> T {
        self.0.arbitrary().expect("zeros behind the end")
    }

    /// The next byte, as a number of 0 to `most`.
    pub fn up_to(&mut self, most: u8) -> u8 {
        let byte: u8 = self.number();
        match most.checked_add(1) {
            Some(count) => byte % count,
            None => byte,
        }
    }

    /// Whether there is nothing left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// At most so many of the next bytes.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let bytes = self.0.bytes(most.min(self.0.len()));
        bytes.expect("no more than there are")
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0.take_rest()
    }

    /// A memory map of at most so many entries. Their numbers are as they come, or, so that many of them meet, in halves of
    /// a page or in MiB.
    pub fn map(&mut self, most: u8) -> Vec<MapEntry> {
        let scale = Scale::of(self.up_to(3));
        let count = self.up_to(most);
        let entries = (0..count).map(|_| {
            let kind: u8 = self.number();
            let [start, len] = [self.number(), self.number()].map(|raw| scale.apply(raw));
            raw_entry(start, len, kind.into())
        });
        entries.collect()
    }

    /// At most so many ranges, likewise.
    pub fn ranges(&mut self, most: u8) -> Vec<MaRange> {
        let map = self.map(most);
        map.into_iter().map(MapEntry::range).collect()
    }

    /// A range of whole pages in the first 4 GiB, which may be empty.
    pub fn pages(&mut self) -> MaRange {
        let [first, count]: [u16; 2] = [self.number(), self.number()];
        let start = u64::from(first) << 16;
        MaRange::from_len(ma(start), u64::from(count) << 12).expect("below 8 GiB")
    }
}

/// What the numbers of a map count.
#[derive(Clone, Copy)]
enum Scale {
    Bytes,
    HalfPages,
    Mib,
}

impl Scale {
    fn of(byte: u8) -> Self {
        match byte {
            2 => Self::HalfPages,
            3 => Self::Mib,
            _ => Self::Bytes,
        }
    }

    fn apply(self, raw: u64) -> u64 {
        match self {
            Self::Bytes => raw,
            Self::HalfPages => (raw & 0xffff) << 11,
            Self::Mib => (raw & 0xf_ffff) << 20,
        }
    }
}

/// An input that is being written.
#[derive(Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one byte.
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// Adds bytes as they are.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// Adds a number of 16 bits.
    pub fn half(self, number: u16) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// Adds a number of 64 bits.
    pub fn word(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// Adds a memory map.
    pub fn map(self, map: &[MapEntry]) -> Self {
        let count = u8::try_from(map.len()).expect("a short map");
        map.iter().fold(self.byte(0).byte(count), |to, entry| {
            let kind = u8::try_from(entry.kind_raw).unwrap_or(u8::MAX);
            to.byte(kind).word(entry.start).word(entry.len_bytes)
        })
    }
}

/// The memory maps of real machines that the tests have.
pub(crate) fn real_maps() -> Vec<e820::Machine> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../rust/tests/e820");
    e820::folder(folder.as_ref()).expect("the maps of the tests")
}
