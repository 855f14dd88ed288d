//! Memory that a hypercall may use: Xen takes no page faults for a guest, so it must stay mapped.

use std::marker::PhantomData;

use anyhow::{Context, Result};
use memmap2::{MmapMut, MmapOptions};

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
    xen::multicall_entry,
    xen::sched_shutdown,
    xen::sched_watchdog,
    xen::xen_kexec_exec,
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
    pages: MmapMut,
    count: usize,
    of: PhantomData<T>,
}

impl<T: Plain> Locked<T> {
    pub fn zeroed(count: usize) -> Result<Self> {
        let mut options = MmapOptions::new();
        let pages = options.len(size_of::<T>() * count).populate().map_anon();
        let pages = pages.context("mmap")?;
        pages.lock().context("mlock")?;
        Ok(Self {
            pages,
            count,
            of: PhantomData,
        })
    }

    pub fn holding(value: T) -> Result<Self> {
        let mut new = Self::zeroed(1)?;
        new.as_mut()[0] = value;
        Ok(new)
    }

    pub fn holding_all(values: &[T]) -> Result<Self> {
        let mut new = Self::zeroed(values.len())?;
        new.as_mut().copy_from_slice(values);
        Ok(new)
    }

    pub fn address(&self) -> u64 {
        self.pages.as_ptr() as u64
    }

    pub fn as_ptr(&self) -> *mut T {
        self.pages.as_ptr().cast_mut().cast()
    }
}

impl<T: Plain> AsRef<[T]> for Locked<T> {
    fn as_ref(&self) -> &[T] {
        // SAFETY: The pages hold `count` values (`zeroed`), live as long as `self`, and Xen writes to
        // them only during a hypercall, which this thread waits for.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.count) }
    }
}

impl<T: Plain> AsMut<[T]> for Locked<T> {
    fn as_mut(&mut self) -> &mut [T] {
        // SAFETY: As in `as_ref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.as_ptr(), self.count) }
    }
}
