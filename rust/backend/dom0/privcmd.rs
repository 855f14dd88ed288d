//! Programs that call Xen themselves, past the kernel: kexec-tools and systemd in a dom0.
//!
//! What they ask of Xen's kexec comes through its driver for hypercalls of programs, and is done here by
//! the kernel: an image is loaded as by `kexec_load(2)`, and started as by `reboot(2)`, so that all is checked
//! that the kernel checks, and devices are shut down. All else is left to the driver, which knows of nothing.
//!
//! Why a livepatch of `privcmd_ioctl()`: it is whole, for the compiler has put all requests into it, and to
//! replace it as a whole would be to copy the driver. But behind the call by which ftrace comes here it is
//! as ever, so what is not for us is passed on to there. The livepatch core sees to the rest: the driver
//! may come later than this module, and this module goes when nobody is in here any more, however many
//! programs have the device open.
//!
//! A program that wants to get past this can: a multicall may have any hypercall in it, and what has been
//! read here the driver reads again. This is no wall but a door: with other hypercalls root in a dom0 can
//! do anything anyway.

use core::fmt;

use kernel::bindings;
use kernel::prelude::*;

use super::super::transition;
use crate::abi::xen_kexec as xen;
use crate::pure::addr::Maddr;
use crate::sys::errno;
use crate::sys::hypercall::ImageType;
use crate::sys::kimage;
use crate::sys::livepatch::{replacements, Describe};
use crate::sys::log::Shown;
use crate::sys::privcmd::{read_segments, Driver, KexecOp, HYPERCALL};
use crate::sys::system_call;
use crate::sys::task;
use crate::sys::wait;

replacements! { in the module c"xen_privcmd":
    privcmd_ioctl => privcmd_ioctl,
}

/// What is replaced.
pub(super) fn object() -> &'static dyn Describe {
    &MODULE
}

unsafe extern "C" fn privcmd_ioctl(
    file: *mut bindings::file,
    cmd: c_uint,
    data: c_ulong,
) -> c_long {
    // SAFETY: It is of the function that this one replaces, which stays for as long as it is called.
    let driver = unsafe { Driver::at(MODULE.original()) };
    // SAFETY: The kernel calls for a file of the driver's that somebody has open.
    match unsafe { at_the_door(driver, file, cmd, data) } {
        Some(answer) => answer,
        // The last that is done here: the compiler makes a jump of it. A hypercall may take minutes, and
        // has to keep nobody from taking this module out.
        // SAFETY: As above.
        None => unsafe { driver.ioctl(file, cmd, data) },
    }
}

/// Serves what is a kexec hypercall; `None` if it is not, or Xen is to do it.
///
/// Not inlined: what is on its stack would be in the way of the jump above.
///
/// # Safety
///
/// As for [`Driver::ioctl`].
#[inline(never)]
unsafe fn at_the_door(
    driver: Driver,
    file: *mut bindings::file,
    cmd: c_uint,
    data: c_ulong,
) -> Option<c_long> {
    if cmd != HYPERCALL {
        return None;
    }
    let op = KexecOp::read(data)?;
    // SAFETY: By contract.
    if unsafe { driver.restricts(file) } {
        return None;
    }
    let (wish, answer) = serve(&op)?;
    let answer = answer.unwrap_or_else(|refusal| {
        pr_err!(
            "{} has called Xen to {wish}: refused, {}\n",
            Shown(task::Name::get()),
            Shown(&refusal)
        );
        refusal.errno().to_errno() as c_long
    });
    Some(answer)
}

/// Why a program does not get what it wants.
enum Refusal {
    /// What it asks for is nothing that can be had here.
    Request(&'static str, Error),
    /// The kernel has said no, or the program's memory cannot be read.
    Kernel(Error),
}

impl Refusal {
    fn errno(&self) -> Error {
        match self {
            Self::Request(_, errno) | Self::Kernel(errno) => *errno,
        }
    }
}

impl From<Error> for Refusal {
    fn from(errno: Error) -> Self {
        Self::Kernel(errno)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(why, _) => f.write_str(why),
            Self::Kernel(errno) => write!(f, "by the kernel (error {})", errno.to_errno()),
        }
    }
}

type Answer = Result<c_long, Refusal>;

/// Does what Xen is asked for: what that is, and what came of it. `None` if Xen is to do it.
fn serve(op: &KexecOp) -> Option<(&'static str, Answer)> {
    match op.command {
        xen::CMD_EXEC => exec(op).map(|answer| ("start an image", answer)),
        xen::CMD_LOAD_V1 | xen::CMD_UNLOAD_V1 => {
            let why = "for V1 says nothing that can be checked";
            Some((
                "load or unload an image by V1",
                Err(Refusal::Request(why, errno::not_supported())),
            ))
        }
        xen::CMD_LOAD => Some(("load an image", load(op))),
        xen::CMD_UNLOAD => unload(op).map(|answer| ("unload an image", answer)),
        xen::CMD_STATUS => status(op).map(|answer| ("tell whether an image is loaded", answer)),
        _ => None,
    }
}

fn load(op: &KexecOp) -> Answer {
    /// `EM_386`.
    const ARCH_386: u16 = 3;
    /// The kernel takes 16. A program may add one of those below before each, and behind the last.
    const MAX_SEGMENTS: usize = 2 * 16 + 1;

    let refuse = |why| Err(Refusal::Request(why, EINVAL));
    let load: xen::Load = op.read_argument()?;
    // Xen may come to know more of them, but who would check those?
    let Some(kind) = image_type(load.kind.into()) else {
        return refuse("for it is neither a default image nor a crash image");
    };
    if load.arch == ARCH_386 {
        return refuse("for it is to be entered in 32-bit mode");
    }
    let mut segments = read_segments(&load, MAX_SEGMENTS)?;
    // These are memory that Xen only has to map. The hand-over's map has all RAM, and 0-1 MiB.
    segments.retain(|segment| segment.buf != 0);
    let (Some(entry), false) = (Maddr::new(load.entry_maddr), segments.is_empty()) else {
        return refuse("for it has no segment with data, or nowhere to be entered");
    };
    pr_info!(
        "{} has called Xen to load an image: the kernel loads it\n",
        Shown(task::Name::get())
    );
    patiently(|| system_call::kexec_load(kind, load.arch, entry, &segments))?;
    Ok(0)
}

fn unload(op: &KexecOp) -> Option<Answer> {
    let unload = |kind| {
        patiently(|| system_call::kexec_unload(kind))?;
        Ok(0)
    };
    let argument = op.read_argument().map(|it: xen::Unload| it.kind.into());
    of_known_type(argument, unload)
}

fn status(op: &KexecOp) -> Option<Answer> {
    let argument = op.read_argument().map(|it: xen::Status| it.kind.into());
    of_known_type(argument, |kind| Ok(kimage::is_loaded(kind).into()))
}

/// A crash image is Xen's to start.
fn exec(op: &KexecOp) -> Option<Answer> {
    let argument = op.read_argument().map(|it: xen::Exec| it.kind);
    if argument.map(image_type) == Ok(Some(ImageType::Crash)) {
        return None;
    }
    of_known_type(argument, |_| start())
}

fn start() -> Answer {
    if !kimage::is_loaded(ImageType::Default) {
        // As Xen says it; the kernel says `EINVAL`.
        return Err(Refusal::Request("for none is loaded", ENOENT));
    }
    pr_info!(
        "{} has called Xen to start the image: the kernel starts it\n",
        Shown(task::Name::get())
    );
    patiently(system_call::reboot_by_kexec)?;
    Ok(0)
}

/// Has the kernel do it when nobody else loads or unloads an image, if that is soon. In Xen one waits for the
/// other; the kernel says `EBUSY`, and a program that has called Xen may take that for the end (systemd
/// restarts the machine through its firmware then).
///
/// Not while the functions are replaced or come back: that waits for whoever is in here, and has the lock
/// that this waits for.
fn patiently(mut call: impl FnMut() -> Result) -> Result {
    const PATIENCE_MS: i64 = 10_000;
    let mut result = Err(EBUSY);
    wait::until(PATIENCE_MS, || {
        result = call();
        result != Err(EBUSY) || !transition::is_complete()
    });
    result
}

/// Serves what is about an image of this type, if it can be read. Of a type that is not known it is Xen's
/// to say so.
fn of_known_type(raw: Result<i32>, serve: impl FnOnce(ImageType) -> Answer) -> Option<Answer> {
    match raw.map(image_type) {
        Ok(Some(kind)) => Some(serve(kind)),
        Ok(None) => None,
        Err(errno) => Some(Err(errno.into())),
    }
}

fn image_type(raw: i32) -> Option<ImageType> {
    match u8::try_from(raw).ok()? {
        xen::TYPE_DEFAULT => Some(ImageType::Default),
        xen::TYPE_CRASH => Some(ImageType::Crash),
        _ => None,
    }
}
