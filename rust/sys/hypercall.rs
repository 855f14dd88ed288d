//! Xen's kexec hypercall, second version (`xen/include/public/kexec.h`, Xen 4.4 and later).
//!
//! Return values are Linux error numbers.

use core::ptr::from_mut;

use kernel::error::to_result;
use kernel::prelude::*;

use super::bindings::kernel as c;
use super::bindings::xen;
use super::machine::xen_version;
use crate::pure::addr::Maddr;
use crate::pure::range::MaRange;

/// What Xen starts on `KEXEC_CMD_kexec`, as opposed to what it starts when it or dom0 crashes.
const DEFAULT: u8 = xen::KEXEC_TYPE_DEFAULT as u8;

/// `EM_X86_64` (ELF): the image is entered in 64-bit mode.
const ARCH_X86_64: u16 = 62;

/// The most segments that Xen takes: it refuses `KEXEC_SEGMENT_MAX` (16) of them already.
const MAX_SEGMENTS: usize = 15;

/// What Xen is given for one range of machine memory.
pub(crate) struct Segment<'a> {
    /// Where it is at the hand-over. Xen maps it there, 1:1.
    pub(crate) dest: MaRange,
    /// What Xen keeps a copy of and puts there; `None` leaves the memory as it is.
    pub(crate) data: Option<&'a [u8]>,
}

fn kexec_op<T>(cmd: u32, arg: &mut T) -> c_int {
    // SAFETY: The callers below pair each command with its structure, as Xen's header does, and
    // what a structure points to is borrowed for as long.
    let ret = unsafe { c::rkexec_kexec_op(cmd, from_mut(arg).cast()) };
    c_int::try_from(ret).unwrap_or(-(kernel::bindings::EINVAL as c_int))
}

/// The first Xen that has `KEXEC_CMD_kexec_status`, and the first that bears to be told twice to
/// unload.
const STATUS_SINCE: (u32, u32) = (4, 9);

/// Calls `change`, a load or an unload, and sees to it that Xen's status is `loaded` afterwards.
///
/// Xen answers other programs, which ask it whether an image is loaded, with a bit that toggles on
/// every load and on every unload. The same call once more sets it right; it changes nothing else.
fn with_true_status(loaded: bool, mut change: impl FnMut() -> Result) -> Result {
    change()?;
    let mut arg = xen::xen_kexec_status_t { type_: DEFAULT };
    if xen_version() >= STATUS_SINCE
        && kexec_op(xen::KEXEC_CMD_kexec_status, &mut arg) != c_int::from(loaded)
    {
        // If it fails, Xen has done what it was told to all the same.
        let _ = change();
    }
    Ok(())
}

/// Whether Xen has this interface, found out without changing anything: it refuses to unload an
/// image of a type that does not exist. (An unknown command must not be asked: up to 4.20.2 Xen
/// answers 0 to it.)
pub(crate) enum Offer {
    /// It has.
    V2,
    /// It was built without kexec, or does not offer it to this kind of domain.
    Nothing,
    /// It has an older or newer one, and answered like this.
    Other(Result),
}

/// Asks Xen what it has.
pub(crate) fn probe() -> Offer {
    let mut arg = xen::xen_kexec_unload_t { type_: 0x77 };
    match to_result(kexec_op(xen::KEXEC_CMD_kexec_unload, &mut arg)) {
        Err(e) if e == EINVAL => Offer::V2,
        Err(e) if e == ENOSYS => Offer::Nothing,
        other => Offer::Other(other),
    }
}

/// Hands an image to Xen, in the place of the one that it has. If Xen refuses, it keeps that one.
///
/// Xen reads the data of the segments before this returns. It does not tell when it cannot read
/// them, so they must be kernel memory.
pub(crate) fn load(entry: Maddr, segments: &[Segment<'_>]) -> Result {
    let mut rows = [xen::xen_kexec_segment_t::default(); MAX_SEGMENTS];
    if segments.len() > rows.len() {
        return Err(E2BIG);
    }
    for (row, segment) in rows.iter_mut().zip(segments) {
        row.dest_maddr = segment.dest.start().raw();
        row.dest_size = segment.dest.len_bytes();
        if let Some(data) = segment.data {
            row.buf.h.p = data.as_ptr().cast();
            row.buf_size = data.len() as u64;
        }
    }
    let mut arg = xen::xen_kexec_load_t {
        type_: DEFAULT,
        arch: ARCH_X86_64,
        nr_segments: segments.len() as u32,
        entry_maddr: entry.raw(),
        ..Default::default()
    };
    arg.segments.h.p = rows.as_mut_ptr();
    with_true_status(true, || {
        to_result(kexec_op(xen::KEXEC_CMD_kexec_load, &mut arg))
    })
}

/// Makes Xen drop the image that it has.
pub(crate) fn unload() -> Result {
    let mut arg = xen::xen_kexec_unload_t { type_: DEFAULT };
    with_true_status(false, || {
        to_result(kexec_op(xen::KEXEC_CMD_kexec_unload, &mut arg))
    })
}

/// Starts the image that Xen has. Returns only if that is not possible, with the reason.
pub(crate) fn exec() -> Error {
    let mut arg = xen::xen_kexec_exec_t {
        type_: c_int::from(DEFAULT),
    };
    match to_result(kexec_op(xen::KEXEC_CMD_kexec, &mut arg)) {
        Err(e) => e,
        // It cannot be: Xen says yes by not coming back.
        Ok(()) => EIO,
    }
}
