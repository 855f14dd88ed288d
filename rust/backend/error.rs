//! Why an image is not loaded: one line for the log, and the error number of the system call.

use core::fmt;

use kernel::prelude::*;

use crate::pure::boot_params::BootParamsError;
use crate::pure::copylist::ListError;
use crate::pure::elfcore::ElfCoreError;
use crate::pure::identity::{BuildError, Flaw, IdentityError};
use crate::pure::range::MaRange;
use crate::pure::requested_segment::SegmentError;
use crate::sys::crashk_res;
use crate::sys::errno;
use crate::sys::log::Shown;

/// Why an image is not loaded.
pub(crate) enum LoadError {
    /// What the caller asked for cannot be had.
    Segment(SegmentError),
    /// The next kernel's boot parameters cannot be put right.
    BootParams(BootParamsError),
    /// The machine's memory cannot be mapped.
    Map(IdentityError),
    /// Nor can its page table be built.
    Table(BuildError),
    /// It has been built, and is not what it should be.
    Flaw(Flaw),
    /// The image cannot be laid out.
    List(ListError),
    /// There is not enough memory for this.
    NoMemory(&'static str),
    /// There is memory for this, but all of it is in a segment's place, or in no map of Xen's.
    NoSafeMemory(&'static str),
    /// The task that loads it is being killed.
    Killed,
    /// The caller's memory cannot be read.
    Unreadable {
        /// The number of the segment.
        segment: usize,
    },
    /// There is no crash area.
    NoCrashArea,
    /// The crash area has no room for something.
    CrashAreaFull {
        /// The area.
        area: MaRange,
        /// The bytes for which there is no room.
        wanted: u64,
    },
    /// dom0 has no free memory in one piece for a segment of so many bytes.
    NoMemHole {
        /// So many.
        wanted: u64,
    },
    /// A crash image has more segments than Xen takes.
    TooManySegments {
        /// So many.
        count: usize,
        /// So many it can have.
        most: usize,
    },
    /// The ELF core header cannot be written.
    Header(ElfCoreError),
    /// Xen refuses this.
    Xen(&'static str, Error),
    /// The kernel does.
    Kernel(&'static str, Error),
    /// It cannot be done here, for this reason.
    Unsupported(&'static str),
}

/// What went wrong, without a "because".
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(e) => e.fmt(f),
            Self::BootParams(e) => e.fmt(f),
            Self::Map(e) => e.fmt(f),
            Self::Table(e) => e.fmt(f),
            Self::Flaw(e) => e.fmt(f),
            Self::List(e) => e.fmt(f),
            Self::NoMemory(what) => write!(f, "not enough memory for {what}"),
            Self::NoSafeMemory(what) => write!(
                f,
                "no memory for {what} that is in the machine's memory map and in no segment's place"
            ),
            Self::Killed => f.write_str("the task that loads it is being killed"),
            Self::Unreadable { segment } => {
                write!(f, "the data of segment {segment} cannot be read")
            }
            Self::NoCrashArea => f.write_str(crashk_res::MISSING),
            Self::CrashAreaFull { area, wanted } => write!(
                f,
                "{wanted} bytes more do not fit in Xen's crash area, which has {} MiB (Xen option crashkernel=)",
                area.len_bytes() >> 20
            ),
            Self::NoMemHole { wanted } => {
                write!(f, "no free memory in one piece of {wanted} bytes")
            }
            Self::TooManySegments { count, most } => write!(
                f,
                "the crash image has {count} segments, at most {most} are possible in dom0"
            ),
            Self::Header(e) => e.fmt(f),
            Self::Xen(what, e) => write!(f, "Xen refuses {what} (error {})", e.to_errno()),
            Self::Kernel(what, e) => write!(f, "{what} failed (error {})", e.to_errno()),
            Self::Unsupported(why) => f.write_str(why),
        }
    }
}

impl LoadError {
    /// What has gone wrong with a question to Xen, which takes memory of dom0's for the answer and none of
    /// Xen's.
    pub(crate) fn of_question(what: &'static str, e: Error) -> Self {
        match e == ENOMEM {
            true => Self::NoMemory(what),
            false => Self::Xen(what, e),
        }
    }

    /// Says on the log why an image is refused, and returns what the system call is to return.
    pub(crate) fn refuse(&self) -> c_int {
        pr_err!("image not loaded: {}\n", Shown(self));
        self.errno().to_errno()
    }

    /// The error of the system call.
    pub(crate) fn errno(&self) -> Error {
        match self {
            Self::Segment(e) => e.errno().into(),
            Self::BootParams(e) => e.errno().into(),
            // The machine's own map is not something that the caller could do anything about.
            Self::Map(_) | Self::Table(_) | Self::Flaw(_) | Self::List(_) => EIO,
            Self::NoMemory(_) | Self::NoSafeMemory(_) => ENOMEM,
            Self::Killed => EINTR,
            Self::Unreadable { .. } => EFAULT,
            Self::NoCrashArea | Self::CrashAreaFull { .. } | Self::NoMemHole { .. } => {
                errno::address_not_available()
            }
            Self::TooManySegments { .. } => EINVAL,
            Self::Header(_) => EIO,
            Self::Xen(_, e) | Self::Kernel(_, e) => *e,
            Self::Unsupported(_) => errno::not_supported(),
        }
    }
}

impl From<SegmentError> for LoadError {
    fn from(e: SegmentError) -> Self {
        Self::Segment(e)
    }
}

impl From<ElfCoreError> for LoadError {
    fn from(e: ElfCoreError) -> Self {
        Self::Header(e)
    }
}

impl From<BootParamsError> for LoadError {
    fn from(e: BootParamsError) -> Self {
        Self::BootParams(e)
    }
}

impl From<BuildError> for LoadError {
    fn from(e: BuildError) -> Self {
        Self::Table(e)
    }
}

impl From<Flaw> for LoadError {
    fn from(e: Flaw) -> Self {
        Self::Flaw(e)
    }
}

impl From<IdentityError> for LoadError {
    fn from(e: IdentityError) -> Self {
        Self::Map(e)
    }
}

impl From<ListError> for LoadError {
    fn from(e: ListError) -> Self {
        Self::List(e)
    }
}
