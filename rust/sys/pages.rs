//! Pages of the running kernel: single ones, and blocks that are contiguous in the machine.

use core::mem::ManuallyDrop;
use core::ptr::{from_ref, NonNull};

use kernel::bindings;
use kernel::prelude::*;
use kernel::transmute::{AsBytes, FromBytes};

use super::bindings::kernel as c;
use super::p2m::P2m;
use crate::pure::addr::{Maddr, Mfn, Paddr, Pfn, PAGE_SIZE};
use crate::pure::identity::Table;
use crate::pure::range::{MaRange, PaRange};

/// Bytes in a page, for slices.
pub(super) const PAGE_BYTES: usize = PAGE_SIZE as usize;

/// An allocated page. A handle, not an owner: who allocates it must free it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawPage(NonNull<bindings::page>);

// SAFETY: A page belongs to no thread.
unsafe impl Send for RawPage {}

impl RawPage {
    /// A page with any contents, or `None` if there is no memory (nobody is killed for it).
    pub(crate) fn alloc() -> Option<Self> {
        // SAFETY: Every order is fine, and the callers may sleep.
        NonNull::new(unsafe { c::rkexec_alloc_pages(0) }).map(Self)
    }

    /// A page that belongs to somebody else.
    ///
    /// # Safety
    ///
    /// The pointer is null, which gives `None`, or that of a page.
    pub(super) unsafe fn borrowed(page: *mut bindings::page) -> Option<Self> {
        NonNull::new(page).map(Self)
    }

    /// The kernel's pointer to it.
    pub(super) fn as_raw(self) -> *mut bindings::page {
        self.0.as_ptr()
    }

    /// Frees the page.
    ///
    /// # Safety
    ///
    /// It was allocated by [`RawPage::alloc`], and neither this handle nor a copy of it nor any
    /// reference to its contents is used afterwards.
    pub(crate) unsafe fn free(self) {
        // SAFETY: By this function's contract the page is an allocated one of order 0.
        unsafe { bindings::__free_pages(self.0.as_ptr(), 0) };
    }

    /// The page's frame in the kernel's own space.
    pub(crate) fn pfn(self) -> Option<Pfn> {
        // SAFETY: The handle is that of a page.
        Pfn::from_number(unsafe { c::rkexec_page_to_pfn(self.0.as_ptr()) })
    }

    /// The contents, for writing.
    ///
    /// # Safety
    ///
    /// Nobody else reads or writes the page during `'a`.
    pub(crate) unsafe fn bytes_mut<'a>(self) -> &'a mut [u8] {
        // SAFETY: The page is allocated, and by contract exclusively ours.
        unsafe { core::slice::from_raw_parts_mut(self.as_ptr(), PAGE_BYTES) }
    }

    /// The virtual address of the page in this kernel.
    pub(crate) fn address(self) -> usize {
        self.as_ptr().addr()
    }

    /// Where the kernel can reach the page's [`PAGE_SIZE`] bytes.
    pub(super) fn as_ptr(self) -> *mut u8 {
        // SAFETY: The handle is that of a page, and on x86-64 every page has an address.
        unsafe { c::rkexec_page_address(self.0.as_ptr()) }.cast()
    }
}

/// A page that is freed when it is dropped.
pub(crate) struct Page {
    raw: RawPage,
    frame: Option<Mfn>,
}

impl Page {
    /// Takes over the page. `frame` is the machine frame behind it, as far as anybody needs it.
    ///
    /// # Safety
    ///
    /// `raw` came from [`RawPage::alloc`] and nobody else will free or use it.
    pub(crate) unsafe fn from_raw(raw: RawPage, frame: Option<Mfn>) -> Self {
        Self { raw, frame }
    }

    /// The machine frame behind the page, if it was told.
    pub(crate) fn mfn(&self) -> Option<Mfn> {
        self.frame
    }

    /// The contents.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: The page is ours, and borrowed for reading.
        unsafe { core::slice::from_raw_parts(self.raw.as_ptr(), PAGE_BYTES) }
    }

    /// The page, for whoever frees it from now on.
    pub(super) fn into_raw(self) -> RawPage {
        ManuallyDrop::new(self).raw
    }

    /// The contents as a `T`.
    pub(crate) fn as_mut<T: FromBytes + AsBytes>(&mut self) -> &mut T {
        const { assert!(size_of::<T>() <= PAGE_BYTES && align_of::<T>() <= PAGE_BYTES) };
        // SAFETY: The page is ours alone and borrowed for writing; it has room for a `T`, which any
        // bytes make.
        unsafe { &mut *self.raw.as_ptr().cast::<T>() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: `from_raw` made this the only owner.
        unsafe { self.raw.free() };
    }
}

/// Pages that follow one another both here and in the machine.
pub(crate) struct Block {
    first: RawPage,
    order: u32,
    nr_pages: usize,
    range: MaRange,
    /// Whether Xen exchanged the memory behind the pages to make it contiguous.
    exchanged: bool,
}

/// Linux asks Xen for contiguous memory in at most this order (`MAX_CONTIG_ORDER`, mmu_pv.c).
pub(crate) const MAX_BLOCK_ORDER: u32 = 9;

impl Block {
    /// Zeroed pages, at least `nr_pages`, or `None` if there is no such memory.
    pub(crate) fn alloc(nr_pages: usize, p2m: &impl P2m) -> Option<Self> {
        let nr_pages = nr_pages.checked_next_power_of_two()?;
        let order = nr_pages.trailing_zeros();
        if order > MAX_BLOCK_ORDER {
            return None;
        }
        // SAFETY: Every order is fine, and the callers may sleep.
        let first = RawPage(NonNull::new(unsafe { c::rkexec_alloc_pages(order) })?);
        // From here on the block frees itself.
        let mut block = Self {
            first,
            order,
            nr_pages,
            range: MaRange::empty_at(Maddr::ZERO),
            exchanged: false,
        };
        let pfn = first.pfn()?;
        let start = match contiguous(pfn, nr_pages, p2m) {
            Some(mfn) => mfn,
            None => block.exchange(pfn, p2m)?,
        };
        block.range = MaRange::from_len(start.start(), PAGE_SIZE.checked_mul(nr_pages as u64)?)?;
        block.bytes_mut().fill(0);
        Some(block)
    }

    /// Asks Xen for machine memory in one piece behind the pages.
    fn exchange(&mut self, pfn: Pfn, p2m: &impl P2m) -> Option<Mfn> {
        let (start, order) = (pfn.start().raw(), self.order);
        let mut dma = 0;
        // SAFETY: The pages are ours, in the direct map and `1 << order` of them; nobody holds a
        // machine address of theirs. `order` is in range, and 64 address bits mean any memory.
        let err = unsafe { c::xen_create_contiguous_region(start, order, 64, &mut dma) };
        if err != 0 {
            return None;
        }
        self.exchanged = true;
        contiguous(pfn, self.nr_pages, p2m)
    }

    fn nr_bytes(&self) -> usize {
        // It is at most `PAGE_BYTES << MAX_BLOCK_ORDER`.
        self.nr_pages.saturating_mul(PAGE_BYTES)
    }

    /// The first page, for whoever frees them from now on, and the logarithm of their number; `None` if
    /// Xen exchanged what is behind them, which nobody else could undo.
    pub(super) fn into_raw(self) -> Option<(RawPage, u32)> {
        if self.exchanged {
            return None;
        }
        let block = ManuallyDrop::new(self);
        Some((block.first, block.order))
    }

    /// Where the block is in the machine.
    pub(crate) fn range(&self) -> MaRange {
        self.range
    }

    /// The contents.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: The pages are ours, follow one another, and were zeroed by `alloc`.
        unsafe { core::slice::from_raw_parts(self.first.as_ptr(), self.nr_bytes()) }
    }

    /// The contents, for writing.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: The pages are ours, follow one another, and are borrowed for writing.
        unsafe { core::slice::from_raw_parts_mut(self.first.as_ptr(), self.nr_bytes()) }
    }

    /// The contents as a slice of page-sized, page-aligned `T`.
    pub(crate) fn as_pages<T: FromBytes>(&self) -> &[T] {
        const { assert!(size_of::<T>() == PAGE_BYTES && align_of::<T>() <= PAGE_BYTES) };
        // SAFETY: As for `bytes`; size and alignment are checked above, any bytes make a `T`.
        unsafe { core::slice::from_raw_parts(self.first.as_ptr().cast(), self.nr_pages) }
    }

    /// The same, for writing.
    pub(crate) fn as_pages_mut<T: FromBytes + AsBytes>(&mut self) -> &mut [T] {
        const { assert!(size_of::<T>() == PAGE_BYTES && align_of::<T>() <= PAGE_BYTES) };
        // SAFETY: As for `bytes_mut`; size and alignment are checked above, any bytes make a `T`.
        unsafe { core::slice::from_raw_parts_mut(self.first.as_ptr().cast(), self.nr_pages) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let (true, Some(pfn)) = (self.exchanged, self.first.pfn()) {
            let start: Paddr = pfn.start();
            // SAFETY: These are the arguments that the region was created with, and nobody uses
            // its machine addresses any more.
            unsafe { c::xen_destroy_contiguous_region(start.raw(), self.order) };
        }
        // SAFETY: The block was allocated in this order and nothing refers to it any more.
        unsafe { bindings::__free_pages(self.first.0.as_ptr(), self.order) };
    }
}

/// The machine frame behind `pfn`, if the `nr` frames from there follow one another.
fn contiguous(pfn: Pfn, nr: usize, p2m: &impl P2m) -> Option<Mfn> {
    let first = p2m.to_machine(pfn)?;
    for i in 1..nr as u64 {
        let here = p2m.to_machine(Pfn::from_number(pfn.number().checked_add(i)?)?)?;
        if here.number() != first.number().checked_add(i)? {
            return None;
        }
    }
    Some(first)
}

/// The page of RAM in frame `pfn`, as a page table.
///
/// # Safety
///
/// If the frame is RAM, then there is a page table in it that nobody writes to during `'a`.
pub(crate) unsafe fn table_at<'a>(pfn: Pfn) -> Option<&'a Table> {
    // SAFETY: The function checks that the frame is RAM, which all has an address on x86-64.
    let table = unsafe { c::rkexec_ram_address(pfn.number()) };
    // SAFETY: By contract; any integers make a table.
    unsafe { table.cast::<Table>().as_ref() }
}

/// The frame of what lies in a page of this kernel's memory, at the address where the kernel has all of
/// its memory; `None` for what is somewhere else (`vmalloc`).
pub(crate) fn frame_of<T>(page: &T) -> Option<Pfn> {
    // SAFETY: The function looks at the address only, and says so if it is not one of those.
    Pfn::from_number(unsafe { c::rkexec_address_to_pfn(from_ref(page).cast()) })
}

/// The bytes of RAM at `range`, where the kernel has all of its memory; `None` if it is not there.
///
/// # Safety
///
/// Where the first byte is RAM all of them are, and nobody else reads or writes them during `'a`.
pub(crate) unsafe fn ram_mut<'a>(range: PaRange) -> Option<&'a mut [u8]> {
    let first = range.start().align_down(PAGE_SIZE);
    let offset = range.start().checked_offset_from(first)? as usize;
    // SAFETY: The function checks that the frame is RAM, which all has an address on x86-64.
    let page = unsafe { c::rkexec_ram_address(Pfn::new(first)?.number()) }.cast::<u8>();
    if page.is_null() {
        return None;
    }
    let start = page.wrapping_add(offset);
    // SAFETY: By contract. RAM that follows one another does so where the kernel has it.
    Some(unsafe { core::slice::from_raw_parts_mut(start, range.len_bytes() as usize) })
}

/// The virtual address where this kernel has the first byte of its memory, and all others from
/// there on.
pub(crate) fn direct_map() -> u64 {
    // SAFETY: Computes an address.
    unsafe { c::rkexec_direct_map() }
}

/// Lets somebody else run, if there is anybody. For loops over many pages.
pub(crate) fn resched() {
    // SAFETY: The callers may sleep.
    unsafe { c::rkexec_cond_resched() };
}

/// Whether the task that has made the system call is being killed, and will see nothing of what comes
/// of it.
pub(crate) fn is_being_killed() -> bool {
    // SAFETY: The function only looks at the current task.
    unsafe { c::rkexec_is_being_killed() }
}
