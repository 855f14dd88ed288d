//! Memory that a hypercall may use: Xen takes no page faults for a guest, so it must stay mapped.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use anyhow::{Context, Result};
use nix::sys::mman::{mmap_anonymous, munmap, MapFlags, ProtFlags};

use super::bindings::{linux, xen};

/// Types that any bytes are a value of, so that Xen may write what it likes.
///
/// # Safety
///
/// It must be so: integers, and C structures of nothing but integers and raw pointers.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty),* $(,)?) => {
        $(
            // SAFETY: Integers, or a structure (a union, in one) of integers and raw pointers.
            unsafe impl Plain for $type {}
        )*
    };
}

plain!(
    u8,
    u64,
    [u64; 64],
    linux::boot_e820_entry,
    xen::sched_shutdown,
    xen::sched_watchdog,
    xen::xen_kexec_load,
    xen::xen_kexec_range,
    xen::xen_kexec_segment,
    xen::xen_kexec_status,
    xen::xen_kexec_unload,
    xen::xen_machphys_mfn_list,
    xen::xen_memory_map,
    xen::xen_sysctl,
);

/// Values of a plain type in pages of their own that are mapped, zeroed and locked.
pub struct Locked<T: Plain> {
    first: NonNull<T>,
    count: usize,
}

impl<T: Plain> Locked<T> {
    pub fn zeroed(count: usize) -> Result<Self> {
        let bytes = NonZeroUsize::new(size_of::<T>() * count).context("a buffer of no size")?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_LOCKED | MapFlags::MAP_POPULATE;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new mapping, at an address of the kernel's choice.
        let first = unsafe { mmap_anonymous(None, bytes, prot, flags) }.context("mmap")?;
        Ok(Self {
            first: first.cast(),
            count,
        })
    }

    pub fn holding(value: T) -> Result<Self> {
        let mut new = Self::zeroed(1)?;
        new.as_mut()[0] = value;
        Ok(new)
    }

    pub fn address(&self) -> u64 {
        self.first.as_ptr() as u64
    }

    pub fn as_ptr(&self) -> *mut T {
        self.first.as_ptr()
    }
}

impl<T: Plain> AsRef<[T]> for Locked<T> {
    fn as_ref(&self) -> &[T] {
        // SAFETY: The mapping holds `count` values (`zeroed`), lives as long as `self`, and Xen
        // writes to it only during a hypercall, which this thread waits for.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.count) }
    }
}

impl<T: Plain> AsMut<[T]> for Locked<T> {
    fn as_mut(&mut self) -> &mut [T] {
        // SAFETY: As in `as_ref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.count) }
    }
}

impl<T: Plain> Drop for Locked<T> {
    fn drop(&mut self) {
        // SAFETY: The mapping is this value's own (`zeroed`), and nobody can borrow it any more.
        let _ = unsafe { munmap(self.first.cast(), size_of::<T>() * self.count) };
    }
}
