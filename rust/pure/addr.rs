//! Addresses that cannot be mistaken for one another.
//!
//! A Xen PV dom0 sees *pseudo-physical* memory: what Linux there calls a physical address is only
//! a name that the P2M table turns into a *machine* address, the one that the hardware, a page
//! table and a kexec hypercall need. Both are 64-bit numbers, so the compiler keeps them apart:
//! [`Maddr`] and [`Paddr`] are different types and there is no conversion between them. The only
//! way from one to the other is a P2M value (`sys/p2m.rs`). On bare metal the two coincide, and
//! only the native P2M says so.
//!
//! The names are Xen's (`xen/include/xen/mm.h`): an *mfn* is the number of a machine frame, a
//! *pfn* that of a pseudo-physical one.

use core::fmt;
use core::marker::PhantomData;

/// The number of bits of a physical address (Intel SDM vol. 3, 4.1.4: MAXPHYADDR is at most 52).
pub const PHYS_BITS: u32 = 52;

/// The first byte address past the physical address space.
pub const PHYS_END: u64 = 1 << PHYS_BITS;

/// Bytes in the smallest page.
pub const PAGE_SIZE: u64 = 4096;

mod sealed {
    pub trait Sealed {}
}

/// An address space: [`Machine`] or [`Pseudo`].
pub trait Space: sealed::Sealed + Copy + Ord {
    /// What an address of this space is marked with when it is printed.
    const TAG: &'static str;
}

/// The space of the hardware: what page tables, devices and Xen's hypercalls take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {}

/// The space of the running kernel: what Linux calls physical (in a PV guest, pseudo-physical).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pseudo {}

impl sealed::Sealed for Machine {}
impl sealed::Sealed for Pseudo {}

impl Space for Machine {
    const TAG: &'static str = "ma";
}
impl Space for Pseudo {
    const TAG: &'static str = "pa";
}

/// A byte address in the space `S`, at most [`PHYS_END`] (which is a valid *end*, not a byte).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Addr<S: Space>(u64, PhantomData<S>);

/// A machine address, in bytes.
pub type Maddr = Addr<Machine>;
/// A physical address as the running kernel understands it, in bytes.
pub type Paddr = Addr<Pseudo>;

impl<S: Space> Addr<S> {
    /// Address 0.
    pub const ZERO: Self = Self(0, PhantomData);
    /// The end of the address space.
    pub const END: Self = Self(PHYS_END, PhantomData);

    /// The address with this number, or `None` past the end of the address space.
    pub const fn new(raw: u64) -> Option<Self> {
        if raw > PHYS_END {
            return None;
        }
        Some(Self(raw, PhantomData))
    }

    /// The number, for a register, a table entry or a hypercall structure of the same space.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// This address and `bytes` more, or `None` past the end of the address space.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(raw) => Self::new(raw),
            None => None,
        }
    }

    /// The bytes from `start` to this address, or `None` if `start` lies behind it.
    pub const fn checked_offset_from(self, start: Self) -> Option<u64> {
        self.0.checked_sub(start.0)
    }

    /// Whether the address is a multiple of `align`, a power of two.
    pub const fn is_aligned(self, align: u64) -> bool {
        self.0 & (align.wrapping_sub(1)) == 0
    }

    /// The nearest multiple of `align` (a power of two) that is not above this address.
    pub const fn align_down(self, align: u64) -> Self {
        Self(self.0 & !(align.wrapping_sub(1)), PhantomData)
    }

    /// The nearest multiple of `align` (a power of two) that is not below this address, or `None`
    /// past the end of the address space.
    pub const fn align_up(self, align: u64) -> Option<Self> {
        let mask = align.wrapping_sub(1);
        match self.0.checked_add(mask) {
            Some(raw) => Self::new(raw & !mask),
            None => None,
        }
    }
}

impl<S: Space> fmt::Display for Addr<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:#x}", S::TAG, self.0)
    }
}

impl<S: Space> fmt::Debug for Addr<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The size of a page, as a type.
pub trait PageSize: sealed::Sealed + Copy + Ord {
    /// Bytes in a page of this size.
    const BYTES: u64;
}

/// Pages of 4 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size4K {}
/// Pages of 2 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size2M {}
/// Pages of 1 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size1G {}

impl sealed::Sealed for Size4K {}
impl sealed::Sealed for Size2M {}
impl sealed::Sealed for Size1G {}

impl PageSize for Size4K {
    const BYTES: u64 = PAGE_SIZE;
}
impl PageSize for Size2M {
    const BYTES: u64 = 2 << 20;
}
impl PageSize for Size1G {
    const BYTES: u64 = 1 << 30;
}

/// A page of size `Z` in the space `S`: aligned to its size, and whole inside the address space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Frame<S: Space, Z: PageSize = Size4K>(Addr<S>, PhantomData<Z>);

/// A 4 KiB frame of machine memory.
pub type Mfn = Frame<Machine, Size4K>;
/// A 4 KiB frame of the running kernel's memory.
pub type Pfn = Frame<Pseudo, Size4K>;

impl<S: Space, Z: PageSize> Frame<S, Z> {
    /// The page that starts at `addr`, or `None` if no page of this size can start there.
    pub const fn new(addr: Addr<S>) -> Option<Self> {
        if !addr.is_aligned(Z::BYTES) || addr.0 >= PHYS_END {
            return None;
        }
        Some(Self(addr, PhantomData))
    }

    /// The page with this number (its address divided by its size), or `None` past the end.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number.checked_mul(Z::BYTES) {
            Some(raw) => match Addr::new(raw) {
                Some(addr) => Self::new(addr),
                None => None,
            },
            None => None,
        }
    }

    /// The address of the first byte.
    pub const fn start(self) -> Addr<S> {
        self.0
    }

    /// The page behind it, or `None` past the end.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(Z::BYTES) {
            Some(addr) => Self::new(addr),
            None => None,
        }
    }

    /// The page's number: its address divided by its size.
    pub const fn number(self) -> u64 {
        // A page size is a constant and never 0.
        self.0.raw() / Z::BYTES
    }
}

impl<S: Space, Z: PageSize> fmt::Debug for Frame<S, Z> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}", self.0, Z::BYTES)
    }
}
