//! The door: the hypercall of kexec as programs make it, through privcmd.
//!
//! With the module it is the kernel that answers, without it Xen does. [`Xen`](crate::xen::Xen) is the
//! way past the door.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{bail, Result};

use crate::kernel_log::KernelLog;
use crate::sys::bindings::xen::{self, xen_kexec_load, xen_kexec_segment};
use crate::sys::locked::{Locked, Plain};
use crate::sys::privcmd::Privcmd;
use crate::xen::Range;

/// The types of images.
pub const DEFAULT: u8 = xen::KEXEC_TYPE_DEFAULT as u8;
pub const CRASH: u8 = xen::KEXEC_TYPE_CRASH as u8;

/// The commands of V1, which newer headers do not have.
pub const LOAD_V1: u64 = 1;
pub const UNLOAD_V1: u64 = 2;
pub const LOAD: u64 = xen::KEXEC_CMD_kexec_load as u64;
/// The hypercall.
pub const KEXEC_OP: u64 = xen::__HYPERVISOR_kexec_op as u64;
/// A type of image that there is not.
pub const NO_TYPE: u64 = 0x77;

/// What the kernel says of the commands of V1.
pub const V1_REFUSED: &str = " has called Xen to load or unload an image by V1: refused, ";

/// Who answers at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    Kernel,
    Xen,
}

pub struct Door(Privcmd);

impl Door {
    pub fn open() -> Result<Self> {
        Ok(Self(Privcmd::open()?))
    }

    /// One that is for the domain `domain` only.
    pub fn restricted(domain: u16) -> Result<Self> {
        let door = Self::open()?;
        door.0.restrict(domain)?;
        Ok(door)
    }

    /// Who answers, by a command of V1 that cannot do anything. The kernel has no such command, and says
    /// so in its log, too: a Xen that has no V1 any more can have the same error.
    pub fn answers(&self) -> Result<Answers> {
        let mut log = KernelLog::from_now_on()?;
        let request = Locked::holding(NO_TYPE)?;
        let answer = self.command(UNLOAD_V1, request.address());
        let error = answer.err().and_then(|error| error.raw_os_error());
        Ok(match (error, log.says(V1_REFUSED)?) {
            (Some(libc::EOPNOTSUPP), true) => Answers::Kernel,
            (Some(libc::EOPNOTSUPP | libc::EINVAL | libc::ENOSYS), false) => Answers::Xen,
            odd => bail!("V1's command to unload an image of no type: {odd:?}"),
        })
    }

    pub fn status(&self, kind: u8) -> io::Result<u64> {
        let request = xen::xen_kexec_status { type_: kind };
        self.ask(xen::KEXEC_CMD_kexec_status, request)
            .map(|it| it.0)
    }

    pub fn unload(&self, kind: u8) -> io::Result<()> {
        let request = xen::xen_kexec_unload { type_: kind };
        self.ask(xen::KEXEC_CMD_kexec_unload, request).map(drop)
    }

    pub fn load(&self, request: xen_kexec_load) -> io::Result<()> {
        self.ask(xen::KEXEC_CMD_kexec_load, request).map(drop)
    }

    /// Enters an image. Coming back is the error.
    pub fn exec(&self, kind: u8) -> io::Result<()> {
        let request = xen::xen_kexec_exec {
            type_: i32::from(kind),
        };
        self.ask(xen::KEXEC_CMD_kexec, request).map(drop)
    }

    /// Where Xen itself is.
    pub fn xens_range(&self) -> io::Result<Range> {
        let request = xen::xen_kexec_range {
            range: xen::KEXEC_RANGE_MA_XEN as i32,
            ..Default::default()
        };
        let (_, range) = self.ask(xen::KEXEC_CMD_kexec_get_range, request)?;
        Ok(range.start..range.start + range.size)
    }

    /// Another hypercall than that of kexec: Xen's version.
    pub fn xen_version(&self) -> io::Result<u64> {
        let arguments = [xen::XENVER_version.into(), 0, 0, 0, 0];
        // SAFETY: The operation takes nothing, and changes nothing.
        unsafe { self.0.call(xen::__HYPERVISOR_xen_version, arguments) }
    }

    /// A request of ioctl(2) that the driver does not have.
    pub fn unknown_request(&self) -> io::Result<()> {
        self.0.unknown_request()
    }

    /// Has the driver map frames of low memory, of which it reads the list.
    pub fn read_low_memory(&self, frames: &[u64]) -> Result<()> {
        self.0.read_frames(xen::domid_io, frames).map(drop)
    }

    /// A command of kexec, with a request that may be anywhere.
    pub fn command(&self, command: u64, request: u64) -> io::Result<u64> {
        self.raw(KEXEC_OP, command, request)
    }

    /// The same by a number for the hypercall that may have more bits than Xen looks at.
    pub fn raw(&self, op: u64, command: u64, request: u64) -> io::Result<u64> {
        // SAFETY: Whoever answers reads the request, and nothing that it cannot read; only the
        // question for a range, which is not asked here, is written to. An image is not started by
        // being loaded.
        unsafe { self.0.call(op, [command, request, 0, 0, 0]) }
    }

    fn ask<T: Plain>(&self, command: u32, request: T) -> io::Result<(u64, T)> {
        let request = Locked::holding(request).map_err(io::Error::other)?;
        let arguments = [command.into(), request.address(), 0, 0, 0];
        // SAFETY: The request is in a locked buffer, and the one that the command takes. What is in it
        // for addresses is only read, and by whoever may find that it cannot be.
        let result = unsafe { self.0.call(KEXEC_OP, arguments) }?;
        Ok((result, request.as_ref()[0]))
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A request to load these segments: by default a good one, for an image that is entered at the start of
/// the segment `entry`.
pub fn load(segments: &Locked<xen_kexec_segment>, entry: usize) -> xen_kexec_load {
    let all = segments.as_ref();
    let mut request = xen_kexec_load {
        type_: DEFAULT,
        arch: object::elf::EM_X86_64,
        nr_segments: all.len() as u32,
        entry_maddr: all.get(entry).map_or(0, |it| it.dest_maddr),
        ..Default::default()
    };
    request.segments.h.p = segments.as_ptr();
    request
}

/// A segment with this data, as long as it is.
pub fn segment(data: &Locked<u8>, at: u64) -> xen_kexec_segment {
    let bytes = data.as_ref().len() as u64;
    let mut segment = map_only(at, bytes);
    segment.buf.h.p = data.as_ptr().cast();
    segment.buf_size = bytes;
    segment
}

/// A segment without data: memory that V2 wants to have mapped when the image is entered.
pub fn map_only(at: u64, bytes: u64) -> xen_kexec_segment {
    xen_kexec_segment {
        dest_maddr: at,
        dest_size: bytes,
        ..Default::default()
    }
}
