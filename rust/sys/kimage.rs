//! A view of `struct kimage`, the kernel's own record of a kexec image (`include/linux/kexec.h`).
//!
//! The addresses in it are bare numbers whose meaning depends on who wrote them. It is decided
//! here, once: see [`Kimage::requested_segment`] and [`Kimage::entry`].

pub(crate) mod buffer;
mod loaded;
pub(crate) mod shadow;

use core::mem::replace;
use core::ops::Deref;
use core::ptr::{addr_of_mut, from_mut, null_mut};

use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::transmute::{AsBytes, FromBytes};

use super::bindings::kernel as c;
use super::pages::{frame_of, Block, Page, RawPage, PAGE_BYTES};
use crate::pure::addr::{Maddr, Pfn};
use crate::pure::identity::{Table, Vaddr};
use crate::pure::requested_segment::RequestedSegment;
pub(crate) use loaded::{exec_is_in_progress, is_loaded, loaded, unload_all};

/// An image, to look at.
#[repr(transparent)]
pub(crate) struct ImageView(c::kimage);

/// An image that the kernel is working on, exclusively ours for the duration of a callback.
pub(crate) struct Kimage<'a>(&'a mut c::kimage);

impl Deref for Kimage<'_> {
    type Target = ImageView;

    fn deref(&self) -> &ImageView {
        // SAFETY: The view is borrowed from `self`, and has the layout of what it is a view of.
        unsafe { ImageView::from_raw(self.0) }
    }
}

/// How the kernel's own purgatory would enter a kernel that `kexec_file_load` prepared.
pub(crate) struct FileEntry {
    /// The 64-bit entry point of the kernel.
    pub(crate) rip: u64,
    /// Its boot parameters.
    pub(crate) rsi: u64,
}

impl ImageView {
    /// The view of `image`.
    ///
    /// # Safety
    ///
    /// `image` is a live `struct kimage` that nobody writes to during `'a`, but for what its members
    /// point to.
    unsafe fn from_raw<'a>(image: *const c::kimage) -> &'a Self {
        // SAFETY: By contract; the view has the layout of what it is a view of.
        unsafe { &*image.cast() }
    }

    /// The pointer that livepatch's shadow variables are found by.
    fn as_ptr(&self) -> *mut c_void {
        (&raw const self.0).cast_mut().cast()
    }

    /// What tells this image from any other that exists at the same time.
    pub(crate) fn id(&self) -> ImageId {
        ImageId::of(&self.0)
    }

    /// Whether it is for a crash (`KEXEC_ON_CRASH`).
    pub(crate) fn is_crash(&self) -> bool {
        self.0.type_() == c::KEXEC_TYPE_CRASH
    }

    /// Whether the caller wants to come back to this kernel (`KEXEC_PRESERVE_CONTEXT`).
    pub(crate) fn preserves_context(&self) -> bool {
        self.0.preserve_context() != 0
    }

    /// Whether it comes from `kexec_file_load`.
    pub(crate) fn is_file(&self) -> bool {
        self.0.file_mode() != 0
    }

    /// The page table that the kernel leaves to the image, if it has one yet.
    pub(crate) fn page_table(&self) -> Option<Pfn> {
        let root = self.0.arch.pgd;
        // SAFETY: Null, or a page of the image's, which is a page table.
        unsafe { root.cast::<Table>().as_ref() }.and_then(frame_of)
    }

    /// The name of the system call that it comes from.
    pub(crate) fn call(&self) -> &'static str {
        if self.is_file() {
            "kexec_file_load"
        } else {
            "kexec_load"
        }
    }

    /// The entry point, as the caller gave it: a machine address like those of the segments.
    pub(crate) fn entry(&self) -> u64 {
        self.0.start as u64
    }

    /// The page that the kernel's last code will run in.
    pub(super) fn control_code_page(&self) -> Option<RawPage> {
        // SAFETY: The kernel allocates the page before anybody sees the image.
        unsafe { RawPage::borrowed(self.0.control_code_page) }
    }

    /// The page that helps to exchange two others; crash images have none.
    pub(super) fn swap_page(&self) -> Option<RawPage> {
        // SAFETY: Null, or a page of the image's.
        unsafe { RawPage::borrowed(self.0.swap_page) }
    }

    /// Where the control page is: in this kernel's address space, and in its memory.
    pub(crate) fn control_page(&self) -> Option<(Vaddr, Pfn)> {
        let page = self.control_code_page()?;
        Some((Vaddr::new(page.address() as u64)?, page.pfn()?))
    }

    fn segments(&self) -> &[c::kexec_segment] {
        let nr = self.0.nr_segments;
        self.0.segment.get(..nr).unwrap_or(&self.0.segment)
    }

    /// How many segments it has.
    pub(crate) fn nr_segments(&self) -> usize {
        self.segments().len()
    }

    /// What the caller asked for in segment `index`.
    ///
    /// Its `mem` is called physical and is a **machine** address: it is where the next kernel will
    /// find the segment, and that kernel runs on the machine (`pure/requested_segment.rs` has the whole reason).
    pub(crate) fn requested_segment(&self, index: usize) -> Option<RequestedSegment> {
        self.segments().get(index).map(|segment| RequestedSegment {
            mem: segment.mem as u64,
            memsz: segment.memsz as u64,
            bufsz: segment.bufsz as u64,
        })
    }

    /// The data of segment `index` of a file image.
    pub(crate) fn file_data(&self, index: usize) -> Option<&[u8]> {
        if !self.is_file() {
            return None;
        }
        let segment = self.segments().get(index)?;
        // SAFETY: As in `file_data_at`.
        unsafe {
            let data = segment.__bindgen_anon_1.kbuf.cast::<u8>();
            (!data.is_null()).then(|| core::slice::from_raw_parts(data, segment.bufsz))
        }
    }

    /// The number of the segment that the kernel's own purgatory is in.
    pub(crate) fn purgatory(&self) -> Option<usize> {
        let buffer = self.0.purgatory_info.purgatory_buf;
        self.segments().iter().position(|segment| {
            // SAFETY: Both members of the union are the same pointer.
            self.is_file() && unsafe { segment.__bindgen_anon_1.kbuf } == buffer
        })
    }

    /// Whether the kernel has put any of it into memory of CMA, at its destination already.
    pub(crate) fn uses_cma(&self) -> bool {
        let segments = self.0.segment_cma.iter().take(self.nr_segments());
        segments.into_iter().any(|page| !page.is_null())
    }

    /// Whether it is entered by our hand-over without any of the kernel's ([`Kimage::take_over`]).
    pub(crate) fn is_taken_over(&self) -> bool {
        self.is_file() && self.nr_segments() == 0
    }

    /// The number of the segment that a crash image from `kexec_file_load` has its ELF core header
    /// in.
    pub(crate) fn elf_core_header(&self) -> Option<usize> {
        let index = usize::try_from(self.0.elfcorehdr_index).ok()?;
        (self.is_file() && self.is_crash() && index < self.nr_segments()).then_some(index)
    }

    /// The command line that a file image is given, without the zero at its end.
    pub(crate) fn command_line(&self) -> &[u8] {
        let (line, bytes) = (self.0.cmdline_buf, self.0.cmdline_buf_len);
        if line.is_null() {
            return &[];
        }
        // SAFETY: The kernel has a copy of so many bytes, until the load is complete.
        let line = unsafe { core::slice::from_raw_parts(line.cast::<u8>(), bytes) };
        line.strip_suffix(&[0]).unwrap_or(line)
    }

    /// Copies the data of segment `index` from byte `offset` on to `to`, and fills up with zeros
    /// what lies behind its end.
    pub(crate) fn read(&self, index: usize, offset: usize, to: &mut [u8]) -> Result {
        let segment = self.segments().get(index).ok_or(EINVAL)?;
        let left = segment.bufsz.saturating_sub(offset).min(to.len());
        let (data, padding) = to.split_at_mut_checked(left).ok_or(EINVAL)?;
        padding.fill(0);
        if data.is_empty() {
            return Ok(());
        }
        // SAFETY: Both members of the union are the same pointer; to which memory is said by the
        // kind of the image, below.
        let from = unsafe { segment.__bindgen_anon_1.buf }
            .cast::<u8>()
            .wrapping_add(offset);
        if self.is_file() {
            // Pages by what the kernel has for pages: its `memcpy` may go byte by byte, which not
            // every processor is fast at.
            // SAFETY: Kernel memory, of which `bufsz` bytes are valid, and `data` ends there. What
            // copies a page copies as many bytes as the arm says.
            unsafe {
                match data.len() {
                    PAGE_BYTES => c::rkexec_copy_page(data.as_mut_ptr().cast(), from.cast()),
                    len => from.copy_to_nonoverlapping(data.as_mut_ptr(), len),
                }
            };
            return Ok(());
        }
        // SAFETY: `data` is valid for its length; the source is checked and may fault.
        let left =
            unsafe { bindings::copy_from_user(data.as_mut_ptr().cast(), from.cast(), data.len()) };
        if left != 0 {
            return Err(EFAULT);
        }
        Ok(())
    }
}

impl<'a> Kimage<'a> {
    /// The view of `image`.
    ///
    /// # Safety
    ///
    /// `image` is a live `struct kimage` that nobody else uses during `'a`: one that the kexec code
    /// of the kernel has just passed to one of its functions under its lock.
    pub(crate) unsafe fn from_raw(image: *mut c::kimage) -> Self {
        // SAFETY: By contract.
        Self(unsafe { &mut *image })
    }

    /// `1 << order` more pages, in one piece, that go with the image: in none of its destinations,
    /// and for a crash image in the crash area. Nobody frees them but the kernel, with the image.
    ///
    /// Returns the pages' contents, which are whatever was there; `None` if there are no such pages.
    pub(crate) fn alloc_pages<T: FromBytes + AsBytes>(
        &mut self,
        order: u32,
    ) -> Option<&'a mut [T]> {
        const { assert!(size_of::<T>() == PAGE_BYTES && align_of::<T>() <= PAGE_BYTES) };
        let nr = 1usize.checked_shl(order)?;
        // SAFETY: The image is live and the caller may sleep.
        let first = unsafe {
            let page = c::kimage_alloc_control_pages(addr_of_mut!(*self.0), order);
            RawPage::borrowed(page)
        }?;
        // SAFETY: The pages have just been allocated, and live at least as long as this view of
        // the image; a `T` is as large as a page, and any bytes make one.
        Some(unsafe { core::slice::from_raw_parts_mut(first.as_ptr().cast(), nr) })
    }

    /// Makes `root` the page table that the kernel leaves to the image. It must be one that
    /// [`Kimage::alloc_pages`] has returned.
    pub(crate) fn set_page_table(&mut self, root: &mut Table) {
        self.0.arch.pgd = from_mut(root).cast();
    }

    /// The registers that the kernel's purgatory would load, had it not been left out.
    pub(crate) fn file_entry(&mut self) -> Result<FileEntry> {
        let mut regs = c::kexec_entry64_regs::default();
        // SAFETY: The image is a live one of `kexec_file_load`, whose purgatory is still in kernel
        // memory; `regs` has the size that is given, and that of the symbol is checked there.
        to_result(unsafe {
            c::kexec_purgatory_get_set_symbol(
                addr_of_mut!(*self.0),
                c"entry64_regs".as_ptr().cast(),
                addr_of_mut!(regs).cast(),
                size_of_val(&regs) as c_uint,
                true,
            )
        })?;
        Ok(FileEntry {
            rip: regs.rip,
            rsi: regs.rsi,
        })
    }

    /// The data of a file image that will be at the address `mem`, up to the end of its segment.
    pub(crate) fn file_data_at(&mut self, mem: u64) -> Option<&mut [u8]> {
        if !self.is_file() {
            return None;
        }
        let segment = self.segments().iter().find(|segment| {
            mem.checked_sub(segment.mem as u64)
                .is_some_and(|offset| offset < segment.bufsz as u64)
        })?;
        let offset = usize::try_from(mem.checked_sub(segment.mem as u64)?).ok()?;
        // SAFETY: In a file image the pointer is to kernel memory, `bufsz` bytes of it, which the
        // loader allocated for this image; it stays until the load is complete.
        let data = unsafe {
            core::slice::from_raw_parts_mut(
                segment.__bindgen_anon_1.kbuf.cast::<u8>(),
                segment.bufsz,
            )
        };
        data.get_mut(offset..)
    }

    /// Pages that are freed with the image from now on, by the kernel, as those of `alloc_pages`.
    pub(crate) fn keep_block(&mut self, block: Block) {
        if let Some((first, order)) = block.into_raw() {
            // SAFETY: The image is live; the pages were allocated in one piece of this order, and
            // nobody else frees them.
            unsafe { c::rkexec_keep_pages(addr_of_mut!(*self.0), first.as_raw(), order) };
        }
    }

    /// The same for one page.
    pub(crate) fn keep_page(&mut self, page: Page) {
        // SAFETY: As above.
        unsafe { c::rkexec_keep_pages(addr_of_mut!(*self.0), page.into_raw().as_raw(), 0) };
    }

    /// Sees to it that the kernel finds a page beside the image once it does not know the segments any
    /// more ([`Self::take_over`]): a crash image gets one more, for a copy of `VMCOREINFO`
    /// (`kimage_crash_copy_vmcoreinfo()`), and those are handed out in order.
    pub(crate) fn reserve_page(&mut self) -> Result {
        let [page] = self.alloc_pages::<[u8; PAGE_BYTES]>(0).ok_or(ENOMEM)? else {
            return Err(EIO);
        };
        self.0.control_page = frame_of(page).ok_or(EIO)?.start().raw() as c_ulong;
        Ok(())
    }

    /// The image is to be entered at `start`, and the kernel has nothing left to load of it, to hash, or
    /// to copy: all of that has been done. Nothing of this can fail.
    pub(crate) fn take_over(&mut self, start: Maddr) {
        self.0.nr_segments = 0;
        self.0.start = start.raw() as c_ulong;
    }

    /// Undoes what the kernel's own `machine_kexec_prepare` has done, before the image is freed: its
    /// control page was made executable, and read-only, and it has page tables that are nowhere else.
    /// That is the kernel's own `machine_kexec_cleanup`.
    ///
    /// A crash image is left alone. The kernel has never prepared one where this is called, for it has
    /// no crash area of its own there, and the number of its control page is one of Xen's area.
    pub(crate) fn undo_own_prepare(&mut self) {
        if self.is_crash() {
            return;
        }
        if let Some(page) = self.control_code_page() {
            let at = page.address() as c_ulong;
            // SAFETY: The page is in the direct map and the image's. Like all data it can be written,
            // and not executed, also if it never was anything else.
            let errors = unsafe { (c::set_memory_nx(at, 1), c::set_memory_rw(at, 1)) };
            if errors != (0, 0) {
                pr_warn!("the control page of an image stays read-only {errors:?}\n");
            }
        }
        let arch = &mut self.0.arch;
        for table in [
            replace(&mut arch.p4d, null_mut()).cast::<c_void>(),
            replace(&mut arch.pud, null_mut()).cast(),
            replace(&mut arch.pmd, null_mut()).cast(),
            replace(&mut arch.pte, null_mut()).cast(),
        ] {
            // SAFETY: A page that the kernel has allocated for this image and nobody refers to any
            // more, or zero, which the function ignores.
            unsafe { bindings::free_pages(table.addr() as c_ulong, 0) };
        }
    }

    /// Has the kernel leave a crash image alone when processors or memory come and go: it would
    /// write to the crash area, at an address that is dom0's and not the machine's.
    pub(crate) fn never_update(&mut self) {
        self.0.set_hotplug_support(0);
    }
}

/// The identity of an image, to compare and nothing else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImageId(usize);

impl ImageId {
    /// That of an image.
    pub(crate) fn of(image: *const c::kimage) -> Self {
        Self(image.addr())
    }
}
