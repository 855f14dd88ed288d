//! Xen's crash area, and where the kernel looks for one of its own: in `crashk_res`, and people in
//! `/proc/iomem`. (The kernel has none in a dom0, whatever its command line says.)

use core::cell::UnsafeCell;
use core::mem::zeroed;
use core::ptr::addr_of_mut;

use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::SetOnce;

use super::bindings::kernel as c;
use super::hypercall;
use super::kexec_lock::KexecLock;
use super::kimage::Kimage;
use crate::abi::xen_kexec;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::pure::range::{MaRange, PaRange, Range};

static AREA: SetOnce<MaRange> = SetOnce::new();

/// The entry in `/proc/iomem`. Not `crashk_res` itself, which is marked as RAM: where it is not in
/// the middle of what dom0 has for RAM, the kernel would count it to that.
struct Entry(UnsafeCell<bindings::resource>);

// SAFETY: Only `open` and `close` use it, which have the kexec lock.
unsafe impl Sync for Entry {}

static ENTRY: Entry = Entry(UnsafeCell::new(
    // SAFETY: Zero is how every `struct resource` begins.
    unsafe { zeroed() },
));
static ENTRY_IS_SHOWN: Atomic<bool> = Atomic::new(false);

/// Asks Xen for its crash area, and says what to do if there is none. Called once, by the module's
/// init.
pub(crate) fn find() {
    match hypercall::range(xen_kexec::RANGE_CRASH, 0).map(|area| area.round_in(PAGE_SIZE)) {
        Ok(area) if !area.is_empty() => {
            AREA.populate(area);
        }
        _ => pr_info!("crash images cannot be loaded: {MISSING}\n"),
    }
}

/// What is wrong if there is no crash area.
pub(crate) const MISSING: &str =
    "Xen has no crash area (give Xen the option crashkernel=256M, and restart the machine)";

/// Where the area is, if there is one. Whole pages.
pub(crate) fn get() -> Option<MaRange> {
    AREA.as_ref().copied()
}

/// The kernel's own crash area, on bare metal: whole pages, if there is one.
pub(crate) fn of_kernel(_lock: &Kimage<'_>) -> Option<PaRange> {
    // SAFETY: The kernel writes to it under its lock, which is held while it loads an image.
    let (start, last) = unsafe { (c::crashk_res.start, c::crashk_res.end) };
    let area = Range::new(Addr::new(start)?, Addr::new(last.checked_add(1)?)?)?;
    Some(area.round_in(PAGE_SIZE)).filter(|area| area.start() < area.end())
}

/// Lets the kernel know of the area, which is closed. The functions that load crash images are those
/// that know whose addresses these are.
pub(crate) fn open(_lock: &KexecLock) {
    let Some(area) = get() else {
        return;
    };
    let (start, last) = (area.start().raw(), area.end().raw().wrapping_sub(1)); // Not empty.

    // SAFETY: The kernel reads `crashk_res` under the lock, which the caller holds.
    unsafe {
        let area = addr_of_mut!(c::crashk_res);
        (*area).start = start;
        (*area).end = last;
    }
    // SAFETY: Nobody else uses the entry: it is not shown, and the caller holds the lock.
    let err = unsafe {
        let entry = ENTRY.0.get();
        // Of a time when it was shown before it still points to its neighbours.
        *entry = zeroed();
        (*entry).name = c"Crash kernel".as_ptr().cast();
        (*entry).start = start;
        (*entry).end = last;
        (*entry).flags = (c::IORESOURCE_MEM | c::IORESOURCE_BUSY) as c_ulong;
        (*entry).desc = c::IORES_DESC_CRASH_KERNEL as c_ulong;
        c::insert_resource(addr_of_mut!(c::iomem_resource), entry)
    };
    // It does not fit if the last of dom0's memory, by its own numbers, ends in the middle of it.
    // Nothing depends on it.
    ENTRY_IS_SHOWN.store(err == 0, Relaxed);
}

/// Takes all of that back. No crash image is loaded.
pub(crate) fn close(_lock: &KexecLock) {
    if get().is_none() {
        return;
    }
    if ENTRY_IS_SHOWN.load(Relaxed) {
        ENTRY_IS_SHOWN.store(false, Relaxed);
        // SAFETY: It was inserted by `open`.
        unsafe { c::remove_resource(ENTRY.0.get()) };
    }
    // SAFETY: As in `open`.
    unsafe {
        let area = addr_of_mut!(c::crashk_res);
        (*area).start = 0;
        (*area).end = 0;
    }
}
