//! Xen's kexec hypercall (`xen/include/public/kexec.h`), in both of its versions: V1 and V2 differ
//! in how an image is loaded, and share all else.
//!
//! Return values are Linux error numbers.

use core::ptr::from_mut;

use kernel::error::to_result;
use kernel::prelude::*;

use super::bindings::kernel as c;
use super::xen_version;
use crate::abi::xen_kexec as xen;
use crate::pure::addr::Maddr;
use crate::pure::range::MaRange;
use crate::pure::xen_abi::{Abi, Answers, Version};

/// Which of its two images Xen is asked about. (Linux has the same two, under the same names.)
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageType {
    /// The one that it starts when it is told to.
    Default,
    /// The one that it starts when it or dom0 crashes.
    Crash,
}

impl ImageType {
    const fn raw(self) -> u8 {
        match self {
            Self::Default => xen::TYPE_DEFAULT,
            Self::Crash => xen::TYPE_CRASH,
        }
    }
}

/// A type of image that does not exist.
const NO_TYPE: u8 = 0x77;

/// `EM_X86_64` (ELF): the image is entered in 64-bit mode. In V1 that goes without saying.
const ARCH_X86_64: u16 = 62;

/// The most segments that Xen takes: it refuses `KEXEC_SEGMENT_MAX` (16) of them already.
pub(crate) const MAX_SEGMENTS: usize = 15;

/// What Xen is given for one range of machine memory (V2).
pub(crate) struct XenSegment<'a> {
    /// Where it is at the hand-over. Xen maps it there, 1:1.
    pub(crate) dest: MaRange,
    /// What Xen keeps a copy of and puts there; `None` leaves the memory as it is.
    pub(crate) data: Option<&'a [u8]>,
}

/// The argument of one of Xen's kexec commands.
///
/// # Safety
///
/// It is the structure that `xen_kexec` has for the command.
unsafe trait Command {
    /// The command.
    const NUMBER: u32;
}

// SAFETY: As `xen_kexec` says of each command.
unsafe impl Command for xen::Exec {
    const NUMBER: u32 = xen::CMD_EXEC;
}
// SAFETY: Likewise.
unsafe impl Command for xen::Range {
    const NUMBER: u32 = xen::CMD_GET_RANGE;
}
// SAFETY: Likewise.
unsafe impl Command for xen::LoadV1 {
    const NUMBER: u32 = xen::CMD_LOAD_V1;
}
// SAFETY: Likewise.
unsafe impl Command for xen::Load {
    const NUMBER: u32 = xen::CMD_LOAD;
}
// SAFETY: Likewise.
unsafe impl Command for xen::Unload {
    const NUMBER: u32 = xen::CMD_UNLOAD;
}
// SAFETY: Likewise.
unsafe impl Command for xen::Status {
    const NUMBER: u32 = xen::CMD_STATUS;
}

/// What V1 has for an unload: the structure of its load, of which Xen reads the type and copies the
/// rest.
#[repr(transparent)]
struct UnloadV1(xen::LoadV1);

// SAFETY: Likewise.
unsafe impl Command for UnloadV1 {
    const NUMBER: u32 = xen::CMD_UNLOAD_V1;
}

fn kexec_op<T: Command>(arg: &mut T) -> c_int {
    // SAFETY: The structure is the command's, and what it points to is borrowed by the caller for as
    // long.
    let ret = unsafe { c::rkexec_kexec_op(T::NUMBER, from_mut(arg).cast()) };
    c_int::try_from(ret).unwrap_or(-(kernel::bindings::EINVAL as c_int))
}

/// What Xen answers to those questions by which one can tell what it offers. Nothing changes.
pub(crate) fn ask() -> Answers {
    Answers {
        v1: unload_type(Abi::V1, NO_TYPE),
        v2: unload_type(Abi::V2, NO_TYPE),
    }
}

/// A range of machine memory that Xen tells of: one of `xen_kexec::RANGE_*`, and for `RANGE_CPU` the
/// number `nr` of the processor. Xen has none of its kind if it is empty.
///
/// # Errors
///
/// Xen's: there is no processor of that number.
pub(crate) fn range(what: i32, nr: u32) -> Result<MaRange> {
    let mut arg = xen::Range {
        range: what,
        nr: c_int::try_from(nr)?,
        ..Default::default()
    };
    to_result(kexec_op(&mut arg))?;
    Maddr::new(arg.start)
        .and_then(|start| MaRange::from_len(start, arg.size))
        .ok_or(ERANGE)
}

/// The bit that Xen tells other programs when they ask whether an image is loaded; `None` if it is
/// too old to be asked. It toggles on every load and on every unload.
pub(crate) fn status(kind: ImageType) -> Option<bool> {
    if xen_version::get() < Version::UNLOADS_SINCE {
        return None;
    }
    let mut arg = xen::Status { kind: kind.raw() };
    match kexec_op(&mut arg) {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Calls `change`, a load or an unload, and sees to it that Xen's status is `loaded` afterwards: the
/// same call once more sets it right, and changes nothing else.
fn with_true_status(kind: ImageType, loaded: bool, mut change: impl FnMut() -> Result) -> Result {
    change()?;
    if status(kind) == Some(!loaded) {
        // If it fails, Xen has done what it was told to all the same.
        let _ = change();
    }
    Ok(())
}

/// Hands a default image to Xen by V2, in the place of the one that it has. If Xen refuses, it keeps
/// that one.
///
/// Xen reads the data of the segments before this returns. It does not tell when it cannot read
/// them, so they must be kernel memory.
pub(crate) fn load_v2(entry: Maddr, segments: &[XenSegment<'_>]) -> Result {
    with_true_status(ImageType::Default, true, || {
        load(ImageType::Default, entry, segments)
    })
}

/// Hands a crash image to Xen. Its data goes to where it belongs right away, all of it in the crash
/// area; other segments are only mapped.
///
/// Xen writes over an image that it has while it would still start that one, and later frees what
/// that one's page list says, of which it may have made something else. So that one goes first,
/// whoever has loaded it, and if there is none it does no harm (from [`Version::UNLOADS_SINCE`] on).
pub(crate) fn load_crash(entry: Maddr, segments: &[XenSegment<'_>]) -> Result {
    unload(Abi::V2, ImageType::Crash)?;
    load(ImageType::Crash, entry, segments)
}

fn load(kind: ImageType, entry: Maddr, segments: &[XenSegment<'_>]) -> Result {
    let mut rows = [xen::Segment::default(); MAX_SEGMENTS];
    if segments.len() > rows.len() {
        return Err(E2BIG);
    }
    for (row, segment) in rows.iter_mut().zip(segments) {
        row.dest_maddr = segment.dest.start().raw();
        row.dest_size = segment.dest.len_bytes();
        if let Some(data) = segment.data {
            row.buf = data.as_ptr().expose_provenance() as u64;
            row.buf_size = data.len() as u64;
        }
    }
    let mut arg = xen::Load {
        kind: kind.raw(),
        arch: ARCH_X86_64,
        nr_segments: segments.len() as u32,
        segments: rows.as_ptr().expose_provenance() as u64,
        entry_maddr: entry.raw(),
        ..Default::default()
    };
    to_result(kexec_op(&mut arg))
}

/// Hands a default image to Xen by V1, likewise. Xen copies all pages on the list, and puts them where the
/// list says.
///
/// # Safety
///
/// At `list` there is a list made by [`indirection::write`](crate::pure::indirection::write), of
/// pages that this kernel owns: Xen checks nothing, and what is wrong brings down the machine.
pub(crate) unsafe fn load_v1(entry: Maddr, list: Maddr) -> Result {
    let mut arg = xen::LoadV1 {
        kind: i32::from(ImageType::Default.raw()),
        ..Default::default()
    };
    arg.image.indirection_page = list.raw();
    arg.image.start_address = entry.raw();
    with_true_status(ImageType::Default, true, || to_result(kexec_op(&mut arg)))
}

/// Makes Xen drop the image that it has, by whichever interface it came.
pub(crate) fn unload(abi: Abi, kind: ImageType) -> Result {
    with_true_status(kind, false, || to_result(unload_type(abi, kind.raw())))
}

fn unload_type(abi: Abi, kind: u8) -> c_int {
    match abi {
        Abi::V1 => {
            let mut arg = UnloadV1(xen::LoadV1 {
                kind: i32::from(kind),
                ..Default::default()
            });
            kexec_op(&mut arg)
        }
        Abi::V2 => {
            let mut arg = xen::Unload { kind };
            kexec_op(&mut arg)
        }
    }
}

/// Starts the image that Xen has. Returns only if that is not possible, with the reason.
pub(crate) fn exec(kind: ImageType) -> Error {
    let mut arg = xen::Exec {
        kind: i32::from(kind.raw()),
    };
    match to_result(kexec_op(&mut arg)) {
        Err(e) => e,
        // It cannot be: Xen says yes by not coming back.
        Ok(()) => EIO,
    }
}
