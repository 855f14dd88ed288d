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

use crate::abi::xen_kexec as xen;
use crate::pure::addr::Maddr;
use crate::sys::hypercall::ImageType;
use crate::sys::kimage;
use crate::sys::livepatch::{replacements, Describe};
use crate::sys::log::Shown;
use crate::sys::privcmd::{read_segments, Driver, KexecOp, HYPERCALL};
use crate::sys::system_call;
use crate::sys::task;

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
    let op = match cmd {
        HYPERCALL => KexecOp::read(data),
        _ => None,
    };
    // SAFETY: The kernel calls for a file of the driver's that somebody has open.
    let op = op.filter(|_| !unsafe { driver.restricts(file) });
    match op.and_then(|op| serve(&op)) {
        Some(Ok(answer)) => answer,
        Some(Err(e)) => e.to_errno() as c_long,
        // SAFETY: As above.
        None => unsafe { driver.ioctl(file, cmd, data) },
    }
}

/// Does what Xen is asked for; `None` if Xen is to do it.
fn serve(op: &KexecOp) -> Option<Result<c_long>> {
    match op.command {
        xen::CMD_EXEC => exec(op),
        xen::CMD_LOAD_V1 | xen::CMD_UNLOAD_V1 => Some(refuse(
            "by Xen's kexec interface V1, which says nothing that can be checked",
            EOPNOTSUPP,
        )),
        xen::CMD_LOAD => Some(load(op)),
        xen::CMD_UNLOAD => Some(unload(op)),
        xen::CMD_STATUS => Some(status(op)),
        _ => None,
    }
}

/// Says why an image is not loaded.
fn refuse<T>(why: impl fmt::Display, errno: Error) -> Result<T> {
    pr_err!(
        "{} has called Xen to load an image, and it is not loaded: {}\n",
        Shown(task::Name::get()),
        Shown(why)
    );
    Err(errno)
}

fn load(op: &KexecOp) -> Result<c_long> {
    /// `EM_386`.
    const ARCH_386: u16 = 3;
    /// The kernel takes 16. Programs add one of those below before each, and behind the last.
    const MAX_SEGMENTS: usize = 2 * 16 + 1;

    let load: xen::Load = op.read_argument()?;
    let Some(kind) = image_type(load.kind.into()) else {
        return refuse("it is neither a default image nor a crash image", EINVAL);
    };
    if load.arch == ARCH_386 {
        return refuse("it is to be entered in 32-bit mode", EINVAL);
    }
    let mut segments = read_segments(&load, MAX_SEGMENTS)?;
    // These are memory that Xen only has to map. The hand-over's map has all memory.
    segments.retain(|segment| segment.buf != 0);
    let (Some(entry), false) = (Maddr::new(load.entry_maddr), segments.is_empty()) else {
        return refuse(
            "it has no segment with data, or nowhere to be entered",
            EINVAL,
        );
    };
    pr_info!(
        "{} has called Xen to load an image: the kernel loads it\n",
        Shown(task::Name::get())
    );
    match system_call::kexec_load(kind, load.arch, entry, &segments) {
        Ok(()) => Ok(0),
        Err(e) => refuse(
            format_args!("the kernel refuses (error {})", e.to_errno()),
            e,
        ),
    }
}

fn unload(op: &KexecOp) -> Result<c_long> {
    let unload: xen::Unload = op.read_argument()?;
    system_call::kexec_unload(image_type(unload.kind.into()).ok_or(EINVAL)?)?;
    Ok(0)
}

fn status(op: &KexecOp) -> Result<c_long> {
    let status: xen::Status = op.read_argument()?;
    let kind = image_type(status.kind.into()).ok_or(EINVAL)?;
    Ok(kimage::is_loaded(kind == ImageType::Crash).into())
}

/// A crash image is Xen's to start. So is one of a type that Xen may know.
fn exec(op: &KexecOp) -> Option<Result<c_long>> {
    let kind = match op.read_argument::<xen::Exec>() {
        Ok(exec) => image_type(exec.kind),
        Err(e) => return Some(Err(e)),
    };
    (kind == Some(ImageType::Default)).then(|| {
        if !kimage::is_loaded(false) {
            // As Xen says it; the kernel says `EINVAL`.
            return Err(ENOENT);
        }
        pr_info!(
            "{} has called Xen to start the image: the kernel starts it\n",
            Shown(task::Name::get())
        );
        system_call::reboot_by_kexec()?;
        Ok(0)
    })
}

fn image_type(raw: i32) -> Option<ImageType> {
    match u8::try_from(raw).ok()? {
        xen::TYPE_DEFAULT => Some(ImageType::Default),
        xen::TYPE_CRASH => Some(ImageType::Crash),
        _ => None,
    }
}
