//! What this kernel runs on, and the machine's memory.

use kernel::bindings;
use kernel::prelude::*;

use super::bindings::kernel as c;
use super::bindings::xen;
use super::hypercall;
use crate::abi::xen_kexec;
use crate::pure::addr::PAGE_SIZE;
use crate::pure::memmap::MapEntry;
use crate::pure::range::MaRange;

/// What the kernel runs on, as far as kexec is concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// The bare machine, or a guest that looks like one.
    Native,
    /// The PV domain that owns the machine.
    XenPvDom0,
    /// The domain that owns the machine, under hardware virtualisation (PVH).
    XenPvhDom0,
    /// A PV guest.
    XenPvDomU,
}

impl Host {
    /// What it is right now.
    pub(crate) fn detect() -> Self {
        // SAFETY: These functions only read what the boot code found out.
        let (xen, pv, initial) = unsafe {
            (
                c::rkexec_xen_domain(),
                c::rkexec_xen_pv_domain(),
                c::rkexec_xen_initial_domain(),
            )
        };
        match (xen, pv, initial) {
            (true, true, true) => Self::XenPvDom0,
            (true, true, false) => Self::XenPvDomU,
            (true, false, true) => Self::XenPvhDom0,
            // A HVM or PVH guest boots the next kernel as a machine would.
            _ => Self::Native,
        }
    }
}

/// The machine memory that Xen's code and static data take, whole pages; `None` if Xen does not say.
///
/// Processors that are offline sleep in that code, and wake up when that data is written to; at a
/// kexec Xen stops the others there, too.
pub(crate) fn xen_image() -> Option<MaRange> {
    let range = hypercall::range(xen_kexec::RANGE_XEN, 0).ok()?;
    (!range.is_empty()).then(|| range.round_out(PAGE_SIZE))
}

/// Whether the processors have pages of 1 GiB.
///
/// A PV domain cannot ask the processor: Xen may intercept CPUID (it does where the processor lets
/// it), and it hides these pages from PV guests, which could not use them. So Xen is asked what it
/// found itself; if it does not say, what CPUID shows is the safe side of the truth.
pub(crate) fn has_gib_pages() -> bool {
    if let Some(features) = xen_features() {
        return features & FEATURE_PAGE1GB != 0;
    }
    // SAFETY: CPUID can be executed anywhere. Leaf 0x80000001 exists on every 64-bit processor.
    unsafe { c::rkexec_cpuid_gib_pages() }
}

/// Which word of Xen's featureset has EDX of CPUID leaf 0x80000001 (`FEATURESET_e1d`), and which
/// bit of it `PAGE1GB` is (`xen/include/public/arch-x86/cpufeatureset.h`).
const FEATURESET_E1D: usize = 2;
const FEATURE_PAGE1GB: u32 = 1 << 26;

/// EDX of CPUID leaf 0x80000001 on the machine, as Xen uses it; `None` if Xen does not say.
fn xen_features() -> Option<u32> {
    // This part of the interface has not changed since Xen 4.7, where its version was 13. The
    // header tells the one of the Xen it came with; newer ones count on from there.
    const OLDEST: u32 = 13;
    const NEWEST: u32 = xen::XEN_SYSCTL_INTERFACE_VERSION + 16;

    for version in (OLDEST..=NEWEST).rev() {
        let mut words = [0u32; FEATURESET_E1D + 1];
        let mut arg = xen::xen_sysctl_t {
            cmd: xen::XEN_SYSCTL_get_cpu_featureset,
            interface_version: version,
            ..Default::default()
        };
        arg.u.cpu_featureset.index = xen::XEN_SYSCTL_cpu_featureset_host;
        arg.u.cpu_featureset.nr_features = words.len() as u32;
        arg.u.cpu_featureset.features.p = words.as_mut_ptr();
        // SAFETY: The structure is the command's, in a version that Xen checks before it looks at
        // the rest, and there is room for as many words as it says.
        let ret = unsafe { c::rkexec_sysctl((&raw mut arg).cast()) };
        match ret {
            0 => return words.get(FEATURESET_E1D).copied(),
            // The table has more words than were asked for: the first ones are there.
            e if e == -(bindings::ENOBUFS as c_long) => return words.get(FEATURESET_E1D).copied(),
            // Another version of the interface.
            e if e == -(bindings::EACCES as c_long) => continue,
            _ => return None,
        }
    }
    None
}

/// Bytes of an entry in Xen's answer (`struct boot_e820_entry`, packed).
const ENTRY_BYTES: usize = size_of::<c::boot_e820_entry>();

/// How many entries Xen wants to have room for beyond those that there are: it takes a table that
/// would be full for one that is too small (`XENMEM_machine_memory_map`, xen/arch/x86/mm.c).
const SPARE_ENTRIES: usize = 2;

/// The memory map of the machine under dom0 (`XENMEM_machine_memory_map`), not of dom0.
pub(crate) fn memory_map() -> Result<KVec<MapEntry>> {
    // The map cannot change between the calls, for Xen writes it at boot. But Xen wants more room
    // than it fills.
    let room = ask_memory_map(&mut [])?.saturating_add(SPARE_ENTRIES);
    let mut table = KVec::from_elem(0u8, room.saturating_mul(ENTRY_BYTES), GFP_KERNEL)?;
    let nr = ask_memory_map(&mut table)?.min(room);

    let mut map = KVec::with_capacity(nr, GFP_KERNEL)?;
    for entry in table.chunks_exact(ENTRY_BYTES).take(nr) {
        let (start, rest) = entry.split_first_chunk().ok_or(EIO)?;
        let (len, rest) = rest.split_first_chunk().ok_or(EIO)?;
        let (kind, _) = rest.split_first_chunk().ok_or(EIO)?;
        map.push(
            MapEntry {
                start: u64::from_le_bytes(*start),
                len_bytes: u64::from_le_bytes(*len),
                kind_raw: u32::from_le_bytes(*kind),
            },
            GFP_KERNEL,
        )?;
    }
    Ok(map)
}

/// Fills `table` with entries of the map and says how many there are. An empty table only asks.
fn ask_memory_map(table: &mut [u8]) -> Result<usize> {
    let mut arg = c::xen_memory_map::default();
    if !table.is_empty() {
        arg.nr_entries = u32::try_from(table.len() / ENTRY_BYTES)?;
        arg.buffer = table.as_mut_ptr().cast();
    }
    // SAFETY: The structure is the command's, and its buffer has the room that it says. With no
    // buffer Xen writes no entry.
    let ret = unsafe { c::rkexec_memory_op(c::XENMEM_machine_memory_map, (&raw mut arg).cast()) };
    kernel::error::to_result(c_int::try_from(ret)?)?;
    Ok(usize::try_from(arg.nr_entries)?)
}
