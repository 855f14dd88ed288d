//! What the kernel does with its crash area, for one that is Xen's.
//!
//! Its addresses are the machine's, and the kernel takes them for its own: unless these functions
//! stand in for its own, it writes to the pages of dom0's that happen to have the same numbers, or
//! makes them read-only.

use kernel::prelude::*;

use crate::backend::error::LoadError;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::pure::mem_hole;
use crate::pure::range::{MaRange, Range};
use crate::sys::bindings::kernel as c;
use crate::sys::crashk_res;
use crate::sys::errno;
use crate::sys::hypercall::ImageType;
use crate::sys::iomem::{self, Ram};
use crate::sys::kexec_lock::KexecLock;
use crate::sys::kimage;
use crate::sys::kimage::buffer::KexecBuf;
use crate::sys::machine;

/// Finds a place for a segment of `kexec_file_load`'s: in the crash area, or for a default image in
/// what dom0 has for RAM, as the kernel does.
///
/// The error number is for the log alone: gcc has seen that the kernel's function returns 0 or
/// `-EADDRNOTAVAIL`, and its caller returns the latter whatever comes from here but 0.
pub(super) unsafe extern "C" fn kexec_locate_mem_hole(kbuf: *mut c::kexec_buf) -> c_int {
    // SAFETY: The kernel passes the request that it is working on, under the kexec lock.
    let mut kbuf = unsafe { KexecBuf::from_raw(kbuf) };
    if kbuf.has_address() {
        return 0;
    }
    match locate(&mut kbuf) {
        Ok(()) => 0,
        Err(e) => e.refuse(),
    }
}

fn locate(kbuf: &mut KexecBuf<'_>) -> Result<(), LoadError> {
    let no_memory = |_| LoadError::NoMemory("the list of free memory");
    let constraints = kbuf.constraints();
    let mut taken = kbuf.taken().map_err(no_memory)?;
    let place = if kbuf.is_for_crash() {
        let area = area()?;
        mem_hole::find(&constraints, &[area], &taken).ok_or(LoadError::CrashAreaFull {
            area,
            wanted: constraints.bytes,
        })?
    } else {
        // Not over Xen, where processors that are offline sleep.
        if let Some(xen) = machine::xen_image() {
            taken
                .push(xen, GFP_KERNEL)
                .map_err(|e| no_memory(e.into()))?;
        }
        mem_hole::find(&constraints, &system_ram().map_err(no_memory)?, &taken).ok_or(
            LoadError::NoMemHole {
                wanted: constraints.bytes,
            },
        )?
    };
    kbuf.set_address(place);
    Ok(())
}

/// The crash area.
pub(super) fn area() -> Result<MaRange, LoadError> {
    crashk_res::get().ok_or(LoadError::NoCrashArea)
}

/// What dom0 has for RAM. The numbers are dom0's; why they are good for the machine as well is told
/// in `pure/requested_segment.rs`.
fn system_ram() -> Result<KVec<MaRange>> {
    let mut ranges = KVec::new();
    iomem::for_system_ram(Ram::WithoutDrivers, |range| {
        let same = |at: u64| Addr::new(at).ok_or(ERANGE);
        let (start, end) = (same(range.start().raw())?, same(range.end().raw())?);
        let range = Range::new(start, end).ok_or(ERANGE)?;
        Ok(ranges.push(range, GFP_KERNEL)?)
    })?;
    Ok(ranges)
}

/// The kernel has a copy of its `VMCOREINFO` in the crash area, where stray writes of its own do not
/// reach it. Nothing of this kernel reaches the crash area.
pub(super) unsafe extern "C" fn kimage_crash_copy_vmcoreinfo(_image: *mut c::kimage) -> c_int {
    0
}

/// Nor is there anything to protect.
pub(super) unsafe extern "C" fn arch_kexec_protect_crashkres() {}

/// Nor, then, to make writable again.
pub(super) unsafe extern "C" fn arch_kexec_unprotect_crashkres() {}

/// Refuses to make the area smaller (`/sys/kernel/kexec_crash_size`): what it loses cannot become
/// memory of dom0's.
pub(super) unsafe extern "C" fn crash_shrink_memory(new_size: c_ulong) -> c_int {
    let Some(lock) = KexecLock::try_take() else {
        return EBUSY.to_errno();
    };
    let loaded = kimage::is_loaded(ImageType::Crash);
    drop(lock);
    let size = crashk_res::get().map_or(0, MaRange::len_bytes);
    match (new_size as u64).checked_next_multiple_of(PAGE_SIZE) {
        _ if loaded => ENOENT.to_errno(),
        Some(new_size) if new_size == size => 0,
        Some(new_size) if new_size < size => {
            pr_err!("the crash area stays as it is: it is Xen's (Xen option crashkernel=)\n");
            errno::not_supported().to_errno()
        }
        _ => EINVAL.to_errno(),
    }
}
