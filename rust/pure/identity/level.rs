//! The levels of a page table, as types, and what an entry of each may say.
//!
//! x86-64 walks four or five levels: [`Pml5`], [`Pml4`], [`Pdpt`], [`Pd`], [`Pt`] (Intel SDM
//! vol. 3, 4.5; AMD64 APM vol. 2, 5.3). An [`Entry<L>`] either maps a page, which only a [`Leaf`]
//! level can, of just that level's size; or it points to a table, which only a [`Branch`] level
//! can, of just the level below. Anything else does not compile.
//!
//! A leaf says what the map needs and nothing more: present, writable, executable, and
//! one of two memory types. The PAT bit cannot be set: it is bit 7 in a 4 KiB leaf and bit 12 in
//! a large one, and what it selects is up to whoever programmed the PAT last. Accessed and dirty
//! are set from the start, so that the processor never writes to a table: not to one that has
//! been hashed, and not to one in a crash area that is read-only by then.
//!
//! `build.rs` puts the entries into tables.
//!
//! # What does not compile
//!
//! A page in a level that has none (the doc test before shows that only this is wrong):
//!
//! ```
//! # use rkexec::{addr::{Frame, Machine, Size1G}, identity::{level::*, Attr}};
//! fn leaf(page: Frame<Machine, Size1G>) -> Entry<Pdpt> {
//!     Entry::<Pdpt>::leaf(page, Attr::WriteBack)
//! }
//! ```
//! ```compile_fail,E0599
//! # use rkexec::{addr::{Frame, Machine, Size1G}, identity::{level::*, Attr}};
//! fn leaf(page: Frame<Machine, Size1G>) -> Entry<Pml4> {
//!     Entry::<Pml4>::leaf(page, Attr::WriteBack)
//! }
//! ```
//!
//! A page of another level's size, or of an address space that is not the machine's:
//!
//! ```compile_fail,E0308
//! # use rkexec::{addr::{Frame, Machine, Size4K}, identity::{level::*, Attr}};
//! fn leaf(page: Frame<Machine, Size4K>) -> Entry<Pd> {
//!     Entry::<Pd>::leaf(page, Attr::WriteBack)
//! }
//! ```
//! ```compile_fail,E0308
//! # use rkexec::{addr::{Frame, Pseudo, Size2M}, identity::{level::*, Attr}};
//! fn leaf(page: Frame<Pseudo, Size2M>) -> Entry<Pd> {
//!     Entry::<Pd>::leaf(page, Attr::WriteBack)
//! }
//! ```
//!
//! A table that is not of the level below, and any table in the last level:
//!
//! ```
//! # use rkexec::identity::level::*;
//! fn branch(table: TableAt<Pd>) -> Entry<Pdpt> {
//!     Entry::<Pdpt>::branch(table)
//! }
//! ```
//! ```compile_fail,E0308
//! # use rkexec::identity::level::*;
//! fn branch(table: TableAt<Pt>) -> Entry<Pdpt> {
//!     Entry::<Pdpt>::branch(table)
//! }
//! ```
//! ```compile_fail,E0599
//! # use rkexec::identity::level::*;
//! fn branch(table: TableAt<Pt>) -> Entry<Pt> {
//!     Entry::<Pt>::branch(table)
//! }
//! ```

use core::fmt;
use core::marker::PhantomData;

use crate::pure::addr::{Frame, Machine, Maddr, Mfn, PageSize, Size1G, Size2M, Size4K};

/// Entries in a table of any level.
pub const ENTRIES: usize = 512;

/// The bits of an address, shifted down, that select an entry.
const INDEX_MASK: u64 = 511;

/// How the processor shall access a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attr {
    /// Cached, as memory is: PAT entry 0, which is write-back on every reset and in every
    /// operating system.
    WriteBack,
    /// Not cached, as a device wants it: PAT entry 3, likewise uncached everywhere.
    Uncached,
}

impl Attr {
    /// The bits that say so in a leaf of any size.
    const fn bits(self) -> u64 {
        match self {
            Self::WriteBack => 0,
            Self::Uncached => bits::WRITE_THROUGH | bits::CACHE_DISABLE,
        }
    }
}

/// `WB` or `UC`.
impl fmt::Display for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WriteBack => "WB",
            Self::Uncached => "UC",
        })
    }
}

/// The bits of an entry (Intel SDM vol. 3, tables 4-14 to 4-20).
pub(super) mod bits {
    pub(in crate::pure::identity) const PRESENT: u64 = 1 << 0;
    pub(in crate::pure::identity) const WRITABLE: u64 = 1 << 1;
    pub(in crate::pure::identity) const WRITE_THROUGH: u64 = 1 << 3;
    pub(in crate::pure::identity) const CACHE_DISABLE: u64 = 1 << 4;
    pub(in crate::pure::identity) const ACCESSED: u64 = 1 << 5;
    pub(in crate::pure::identity) const DIRTY: u64 = 1 << 6;
    pub(in crate::pure::identity) const LARGE: u64 = 1 << 7;
    /// The address of a page or a table (MAXPHYADDR is at most 52).
    pub(in crate::pure::identity) const FRAME: u64 = 0x000f_ffff_ffff_f000;
}

mod sealed {
    pub trait Sealed {}
}

/// A level of the table.
pub trait Level: sealed::Sealed {
    /// How many bits of an address lie below those that select an entry of this level.
    const SHIFT: u32;
    /// The bytes that one entry stands for.
    const ENTRY_BYTES: u64 = 1 << Self::SHIFT;
    /// The bytes that a whole table stands for.
    const TABLE_BYTES: u64 = Self::ENTRY_BYTES << ENTRIES.trailing_zeros();

    /// Which entry of its table stands for `addr`: below [`ENTRIES`].
    fn index(addr: Maddr) -> usize {
        // CAST: below 512.
        ((addr.raw() >> Self::SHIFT) & INDEX_MASK) as usize
    }
}

/// A level whose entries can point to a table of the level below.
pub trait Branch: Level {
    /// The level below.
    type Child: Level;
}

/// A level whose entries can map a page.
pub trait Leaf: Level {
    /// The size of such a page: the bytes that one entry stands for.
    type Size: PageSize;
    /// What marks an entry as a leaf: nothing in a [`Pt`], which has no other entries.
    const MARK: u64;
}

/// The root of five levels: an entry stands for 256 TiB.
#[derive(Debug)]
pub enum Pml5 {}
/// The root of four levels: an entry stands for 512 GiB.
#[derive(Debug)]
pub enum Pml4 {}
/// Page directory pointers: an entry stands for 1 GiB.
#[derive(Debug)]
pub enum Pdpt {}
/// A page directory: an entry stands for 2 MiB.
#[derive(Debug)]
pub enum Pd {}
/// The last level: an entry stands for 4 KiB.
#[derive(Debug)]
pub enum Pt {}

impl sealed::Sealed for Pml5 {}
impl sealed::Sealed for Pml4 {}
impl sealed::Sealed for Pdpt {}
impl sealed::Sealed for Pd {}
impl sealed::Sealed for Pt {}

impl Level for Pml5 {
    const SHIFT: u32 = 48;
}
impl Level for Pml4 {
    const SHIFT: u32 = 39;
}
impl Level for Pdpt {
    const SHIFT: u32 = 30;
}
impl Level for Pd {
    const SHIFT: u32 = 21;
}
impl Level for Pt {
    const SHIFT: u32 = 12;
}

impl Branch for Pml5 {
    type Child = Pml4;
}
impl Branch for Pml4 {
    type Child = Pdpt;
}
impl Branch for Pdpt {
    type Child = Pd;
}
impl Branch for Pd {
    type Child = Pt;
}

impl Leaf for Pdpt {
    type Size = Size1G;
    const MARK: u64 = bits::LARGE;
}
impl Leaf for Pd {
    type Size = Size2M;
    const MARK: u64 = bits::LARGE;
}
impl Leaf for Pt {
    type Size = Size4K;
    const MARK: u64 = 0;
}

const _: () = {
    assert!(Size1G::BYTES == Pdpt::ENTRY_BYTES && Pml4::ENTRY_BYTES == Pdpt::TABLE_BYTES);
    assert!(Size2M::BYTES == Pd::ENTRY_BYTES && Pdpt::ENTRY_BYTES == Pd::TABLE_BYTES);
    assert!(Size4K::BYTES == Pt::ENTRY_BYTES && Pd::ENTRY_BYTES == Pt::TABLE_BYTES);
    assert!(Pml5::ENTRY_BYTES == Pml4::TABLE_BYTES);
};

/// The frame of a finished table of level `L`.
///
/// Only a [`Writer`](super::table::Writer) makes one, once everything in the table has been written.
pub struct TableAt<L: Level> {
    mfn: Mfn,
    level: PhantomData<L>,
}

impl<L: Level> TableAt<L> {
    /// Says that there is a finished table of this level at `mfn`.
    pub(super) const fn finished(mfn: Mfn) -> Self {
        Self {
            mfn,
            level: PhantomData,
        }
    }

    /// Where the table is.
    pub const fn mfn(&self) -> Mfn {
        self.mfn
    }
}

/// One entry of a table of level `L`.
#[repr(transparent)]
pub struct Entry<L: Level>(u64, PhantomData<L>);

impl<L: Level> Entry<L> {
    /// An entry that maps nothing.
    pub const ABSENT: Self = Self(0, PhantomData);

    /// What the processor reads.
    pub const fn raw(&self) -> u64 {
        self.0
    }
}

impl<L: Branch> Entry<L> {
    /// An entry that leads on to `table`.
    pub const fn branch(table: TableAt<L::Child>) -> Self {
        Self(
            table.mfn.start().raw() | bits::PRESENT | bits::WRITABLE | bits::ACCESSED,
            PhantomData,
        )
    }
}

impl<L: Leaf> Entry<L> {
    /// An entry that maps `page`.
    pub const fn leaf(page: Frame<Machine, L::Size>, attr: Attr) -> Self {
        Self(
            page.start().raw()
                | bits::PRESENT
                | bits::WRITABLE
                | bits::ACCESSED
                | bits::DIRTY
                | L::MARK
                | attr.bits(),
            PhantomData,
        )
    }
}
