//! What the module tells the hand-over: one layout, compiled into both.
//!
//! The hand-over is a flat blob that begins with a [`Header`]. Before a load the module copies the
//! blob into a machine-contiguous chunk of pages, checks the header, and fills in the
//! [`Params`] at `params_offset`. Every address in here is a **machine** address (on bare metal:
//! physical), in bytes; every digest is SHA-256.
//!
//! Nothing is trusted before it is verified, in this order: `params_digest` covers all fields
//! before it; `tables_digest` covers the page tables, and only then CR3 is loaded; `list_digest`
//! covers the copy list, and only then anything is overwritten: the `backup` first, with what low memory
//! holds, then the destinations. `image_digest` covers the data where it has gone, for that is what the
//! next kernel is made of: whatever wrote to it before the copy or since is found.

use core::mem::{offset_of, size_of};

/// `rkexecHO` in the order of memory.
pub const MAGIC: u64 = u64::from_le_bytes(*b"rkexecHO");
/// Goes up with every change of the layouts below.
pub const VERSION: u32 = 3;
/// The most that the blob may take, code, data, stack and all, in bytes.
pub const MAX_SIZE: u32 = 48 * 1024;

/// The beginning of the blob.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Bytes that the hand-over takes in memory from its first byte, stack and zeroed data
    /// included: a multiple of the page size, at most [`MAX_SIZE`].
    pub size: u32,
    /// Where to enter, in bytes from the first byte of the blob.
    pub entry_offset: u32,
    /// Where the [`Params`] are, likewise; 8-byte aligned.
    pub params_offset: u32,
    /// Where the [`Epitaph`] will be, likewise; 8-byte aligned.
    pub epitaph_offset: u32,
    /// Zero.
    pub _pad: u32,
}

impl Header {
    /// The header that `bytes` begin with; `None` if there are too few. Nothing about it is checked.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
        };
        Some(Self {
            magic: u64::from_le_bytes(*bytes.first_chunk()?),
            version: word(8)?,
            size: word(12)?,
            entry_offset: word(16)?,
            params_offset: word(20)?,
            epitaph_offset: word(24)?,
            _pad: word(28)?,
        })
    }
}

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// What to verify, copy and enter.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// The root table of the identity map; its address is all that goes to CR3.
    pub cr3: u64,
    /// The first of the page tables, which are contiguous.
    pub tables: u64,
    /// How many page tables there are, 4 KiB each.
    pub nr_tables: u64,
    /// Over the page tables, in the order of memory.
    pub tables_digest: Digest,
    /// The first [`CopyListPage`].
    pub list: u64,
    /// How many list pages there are, at least one.
    pub nr_list_pages: u64,
    /// Over the list pages, in the order of the list.
    pub list_digest: Digest,
    /// Over the data of all entries that have a source, at its destination, in the order of the list.
    pub image_digest: Digest,
    /// Where to enter the next kernel.
    pub entry: u64,
    /// What RSI is then: the address of its `boot_params`, or 0.
    pub rsi: u64,
    /// The I/O port of a 16550 to report on, or 0 for none.
    pub serial_port: u32,
    /// [`FLAG_HALT`], [`FLAG_TIMES`], and no other bit.
    pub flags: u32,
    /// Where to copy the first [`LOW_BYTES`] of memory before any destination is overwritten: the
    /// address of a page, or 0 for nowhere. For crash images: the next kernel overwrites low memory
    /// as it starts (its real-mode trampoline goes there), and a dump is to show what was in it.
    pub backup: u64,
    /// How often the time stamp counter ticks in a millisecond, or 0 if nobody knows. For [`FLAG_TIMES`].
    pub tsc_khz: u64,
    /// Over all fields before this one.
    pub params_digest: Digest,
}

/// Low memory in bytes, from address 0: up to the window of the video memory.
pub const LOW_BYTES: u64 = 0xa_0000;

/// On failure halt instead of resetting the machine.
pub const FLAG_HALT: u32 = 1 << 0;

/// Tell how long each part of the hand-over has taken.
pub const FLAG_TIMES: u32 = 1 << 1;

/// Bytes of [`Params`] that `params_digest` covers.
pub const PARAMS_DIGESTED: usize = offset_of!(Params, params_digest);

/// One run of pages. Every field is a multiple of 4096.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Where the run goes.
    pub dst: u64,
    /// Where its data is: [`ZERO_FILL`] for none; equal to `dst` when it is in place already (then
    /// it is verified and not copied).
    pub src: u64,
    /// Its length in bytes, not 0.
    pub len: u64,
}

/// `src` of a run that is to be zeroed. (Page 0 is never a source: the kernel keeps it.)
pub const ZERO_FILL: u64 = 0;

/// Entries in one list page.
pub const ENTRIES_PER_PAGE: usize = 170;

/// One page of the copy list.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyListPage {
    /// The next list page, or 0 in the last one.
    pub next: u64,
    /// How many entries are valid, at most [`ENTRIES_PER_PAGE`].
    pub nr: u64,
    /// The entries; those past `nr` are zero.
    pub entries: [Entry; ENTRIES_PER_PAGE],
}

/// What the hand-over leaves in memory, for a debugger or whoever looks after a reset.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epitaph {
    /// [`EPITAPH_MAGIC`] once anything went wrong.
    pub magic: u64,
    /// A [`Failure`].
    pub failure: u64,
    /// For an exception its vector, else 0.
    pub vector: u64,
    /// For an exception the error code, else 0.
    pub error_code: u64,
    /// For an exception RIP, else 0.
    pub rip: u64,
    /// For an exception CR2, else 0.
    pub cr2: u64,
}

/// `rkexecRI`, then `P` would follow.
pub const EPITAPH_MAGIC: u64 = u64::from_le_bytes(*b"rkexecRI");

/// Why the hand-over stopped.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The parameters do not have their digest.
    Params = 1,
    /// The page tables do not have theirs.
    Tables = 2,
    /// The copy list does not have its digest, or is not well formed.
    List = 3,
    /// The image does not have its digest.
    Image = 4,
    /// The processor raised an exception.
    Exception = 5,
}

const _: () = {
    assert!(size_of::<Header>() == 32);
    assert!(offset_of!(Header, size) == 12);
    assert!(offset_of!(Header, epitaph_offset) == 24);
    assert!(size_of::<Params>() == 208);
    assert!(offset_of!(Params, tables_digest) == 24);
    assert!(offset_of!(Params, list) == 56);
    assert!(offset_of!(Params, entry) == 136);
    assert!(offset_of!(Params, backup) == 160);
    assert!(offset_of!(Params, tsc_khz) == 168);
    assert!(offset_of!(Params, params_digest) == 176);
    assert!(size_of::<Entry>() == 24);
    assert!(size_of::<CopyListPage>() == 4096);
    assert!(offset_of!(CopyListPage, entries) == 16);
    assert!(size_of::<Epitaph>() == 48);
};
