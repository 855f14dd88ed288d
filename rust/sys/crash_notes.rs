//! Where a dump finds its ELF notes: memory of Xen's and of this kernel's that is written at a crash.

use kernel::prelude::*;

use super::bindings::kernel as c;
use super::hypercall;
use crate::abi::xen_kexec;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::pure::range::{MaRange, Range};

/// The notes of a machine that runs Xen: the registers of every processor, Xen's description of
/// itself, and this kernel's.
pub(crate) fn find() -> Result<KVec<MaRange>> {
    let mut notes = KVec::new();
    for nr in 0.. {
        match hypercall::range(xen_kexec::RANGE_CPU, nr) {
            // Empty: Xen had no memory for them.
            Ok(range) if range.is_empty() => {}
            Ok(range) => notes.push(range, GFP_KERNEL)?,
            // This processor cannot be.
            Err(e) if e == ERANGE || nr > 0 => break,
            Err(e) => return Err(e),
        }
    }
    // Xen fills it in when it loads its first image, of either kind: by this load at the latest.
    notes.push(
        hypercall::range(xen_kexec::RANGE_VMCOREINFO, 0)?,
        GFP_KERNEL,
    )?;
    match vmcoreinfo() {
        Some(range) => notes.push(range, GFP_KERNEL)?,
        None => pr_warn!("the dump will be without this kernel's vmcoreinfo, which is too long\n"),
    }
    Ok(notes)
}

/// This kernel's description of itself (`VMCOREINFO`), by which tools find their way in the dump.
///
/// It has two pages, which follow one another in this kernel's memory but need not in the machine.
/// `None` if the note does not end on the first one, with room to spare for the time of the crash,
/// which is added then.
fn vmcoreinfo() -> Option<MaRange> {
    /// More than `CRASHTIME=` and a number.
    const SPARE: u64 = 64;

    // SAFETY: The note is written when the kernel starts, and at a crash.
    let (name_bytes, desc_bytes) = unsafe {
        let note = c::vmcoreinfo_note.cast::<c::elf64_note>();
        let note = note.as_ref()?;
        (u64::from(note.n_namesz), u64::from(note.n_descsz))
    };
    let end = (size_of::<c::elf64_note>() as u64)
        .checked_add(name_bytes.checked_next_multiple_of(4)?)?
        .checked_add(desc_bytes)?
        .checked_add(SPARE)?;
    // SAFETY: Computes an address. In a PV domain it is the machine's.
    let at = unsafe { c::paddr_vmcoreinfo_note() };
    (end <= PAGE_SIZE).then_some(())?;
    Range::from_len(Addr::new(at)?, PAGE_SIZE)
}
